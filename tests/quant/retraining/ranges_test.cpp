// The codes that limits of tensors leave.
#include <gtest/gtest.h>

#include <cmath>

#include "quant/retraining/quantizer.h"
#include "tests/quant/fixtures.h"

namespace bitloop::quant {
namespace {

TEST(CodeRanges, are_the_codes_nearest_to_limits) {
  host::Network network = host::zoo_network("lenet");
  const int tensor = network.layers.front().output;
  network.tensors[tensor].limits = {.low = 0.25, .high = 0.5};
  const Dataset data = bars_dataset();
  const Quantizer quantizer(network, FloatCheckpoint::untrained(network, data, 1), data);
  for (const char* policy : {"w8a8", "w4a4"}) {
    const QuantizedModel model =
        quantizer.quantize(host::load_policy(network, policy), {.epochs = 0, .clipping = "max"});
    const host::OutputRange& range = model.integers.layers.front().range;
    const double scale = model.tensor_scales[tensor].written;
    EXPECT_EQ(range.low, std::floor(0.25 / scale + 0.5)) << policy;
    EXPECT_EQ(range.high, std::floor(0.5 / scale + 0.5)) << policy;
    EXPECT_GT(range.low, range.zero) << policy;
  }
}

}  // namespace
}  // namespace bitloop::quant
