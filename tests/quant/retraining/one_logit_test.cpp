#include <gtest/gtest.h>

#include <algorithm>

#include "quant/reference/integer_reference.h"
#include "quant/retraining/quantizer.h"
#include "tests/quant/fixtures.h"

namespace bitloop::quant {
namespace {

/// Whether the bar lies or stands.
Dataset two_classes() {
  Dataset data = bars_dataset();
  data.classes = 2;
  for (Split* split : {&data.train, &data.reward, &data.test})
    for (auto& label : split->labels) label = label < 5 ? 0 : 1;
  return data;
}

TEST(OneLogit, is_trained_quantized_and_retrained_as_a_classifier_of_two_classes) {
  host::Network network = host::zoo_network("lenet");
  network.tensors.at(network.output()).shape.channels = 1;
  const Dataset data = two_classes();
  const auto checkpoint = FloatCheckpoint::train(network, data, {.epochs = 2, .batch = 32});
  const double in_float = checkpoint.accuracy(data.test).accuracy;
  EXPECT_GT(in_float, 0.9);
  const Quantizer quantizer(network, checkpoint, data);
  const auto accuracy = [&](const char* policy, int epochs) {
    const QuantizedModel model =
        quantizer.quantize(host::load_policy(network, policy), {.epochs = epochs, .batch = 32});
    return IntegerReference(model.integers).accuracy(data.test, model.output_scale()).accuracy;
  };
  EXPECT_NEAR(accuracy("w8a8", 0), in_float, 0.02);
  EXPECT_GT(accuracy("w2a2", 1), 0.9);
}

}  // namespace
}  // namespace bitloop::quant
