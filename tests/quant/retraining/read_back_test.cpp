// What `export` writes as ONNX, read again as a network of its own.
#include <gtest/gtest.h>

#include "quant/onnx/export.h"
#include "quant/onnx/import.h"
#include "quant/reference/integer_reference.h"
#include "quant/retraining/quantizer.h"
#include "tests/quant/fixtures.h"

namespace bitloop::quant {
namespace {

TEST(ReadBack, exported_networks_quantize_to_the_weights_and_accuracy_that_they_had) {
  const host::Network network = host::zoo_network("lenet");
  const Dataset data = bars_dataset();
  const auto checkpoint = FloatCheckpoint::train(network, data, {.epochs = 1, .batch = 32});
  const Quantizer quantizer(network, checkpoint, data);
  const auto accuracy = [&](const QuantizedModel& model) {
    return IntegerReference(model.integers).accuracy(data.test, model.output_scale()).accuracy;
  };
  for (const char* policy : {"w8a8", "w4a4", "w2a2"}) {
    SCOPED_TRACE(policy);
    const QuantizedModel model = quantizer.quantize(host::load_policy(network, policy), {.epochs = 0});
    const TemporaryFolder folder;
    export_onnx(model, folder.path() / "net.onnx");
    const FloatNetwork read = import_onnx(folder.path() / "net.onnx");
    const auto in_float = FloatCheckpoint::imported(read, data);
    EXPECT_NEAR(in_float.accuracy(data.test).accuracy, accuracy(model), 0.005);
    const QuantizedModel again = Quantizer(read.network, in_float, data)
                                     .quantize(host::load_policy(read.network, policy), {.epochs = 0});
    EXPECT_NEAR(accuracy(again), accuracy(model), 0.005);
    ASSERT_EQ(again.integers.layers.size(), model.integers.layers.size());
    for (std::size_t i = 0; i < model.integers.layers.size(); ++i)
      EXPECT_EQ(again.integers.layers[i].weights, model.integers.layers[i].weights) << network.layers[i].name;
  }
}

}  // namespace
}  // namespace bitloop::quant
