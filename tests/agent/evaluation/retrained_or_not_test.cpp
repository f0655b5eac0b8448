#include "agent/evaluation/retrained_or_not.h"

#include <gtest/gtest.h>

#include "host/network/network.h"
#include "tests/quant/fixtures.h"

namespace bitloop::agent {
namespace {

TEST(RetrainedOrNot, a_policy_whose_retraining_diverges_counts_without_it_but_8_bits_must_converge) {
  const host::Network network = host::zoo_network("lenet");
  const quant::Dataset data = quant::bars_dataset();
  const auto weights = quant::FloatCheckpoint::train(network, data, {.epochs = 1});
  const quant::Quantizer quantizer(network, weights, data);
  const quant::Retraining wild{.epochs = 1, .learning_rate = 1000, .optimizer = "sgd"};
  const host::Policy narrow = host::uniform_policy(network, 2, 2);
  EXPECT_THROW((void)quantizer.quantize(narrow, wild), quant::Diverged);
  const quant::QuantizedModel model = retrained_or_not(quantizer, narrow, wild);
  const quant::QuantizedModel start = quantizer.quantize(narrow, {.epochs = 0});
  EXPECT_EQ(model.weight_scales, start.weight_scales);
  for (std::size_t i = 0; i < model.integers.layers.size(); ++i)
    EXPECT_EQ(model.integers.layers[i].weights, start.integers.layers[i].weights);
  EXPECT_THROW((void)retrained_or_not(quantizer, host::uniform_policy(network, 8, 8), wild), quant::Diverged);
}

}  // namespace
}  // namespace bitloop::agent
