#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "host/quantized_network.h"
#include "tests/host/random_cases.h"

namespace bitloop::host::test {
namespace {

constexpr OutputRange kWide{0, -1000, 1000};

std::int32_t halves(std::int64_t d, const OutputRange& range = kWide) {
  return requantize(d, {1, 1, 1}, range);  // (d + 1) >> 1: d / 2, ties up
}

TEST(Requantize, rounds_half_up_at_positive_and_negative_ties) {
  EXPECT_EQ(halves(3), 2);
  EXPECT_EQ(halves(1), 1);
  EXPECT_EQ(halves(-1), 0);
  EXPECT_EQ(halves(-3), -1);
  EXPECT_EQ(halves(-5), -2);
}

TEST(Requantize, adds_the_zero_point_before_it_clamps_at_both_ends) {
  const OutputRange range{128, 0, 255};
  EXPECT_EQ(halves(-4, range), 126);
  EXPECT_EQ(halves(-1000, range), 0);
  EXPECT_EQ(halves(254, range), 255);
  EXPECT_EQ(halves(100000, range), 255);
}

TEST(Requantize, holds_the_widest_products) {
  const std::int64_t d = (std::int64_t{1} << 33) - 1;
  const OutputRange range{0, std::numeric_limits<std::int32_t>::min(),
                          std::numeric_limits<std::int32_t>::max()};
  const std::int64_t bias = -(std::int64_t{1} << 49);
  EXPECT_EQ(requantize(d, {65535, 47, bias}, range), -1);  // a little below 2^49, minus 2^49
  EXPECT_EQ(requantize(-d, {65535, 20, bias}, range), -8192 * 65535 - 536870912);
}

TEST(CorrectedDot, gives_the_weight_values_of_every_width) {
  // One activation of code 3, every weight code in turn.
  const auto value = [](int code, int bits) { return corrected_dot(3 * code, 3, bits) / 3; };
  EXPECT_EQ(value(0, 1), -1);
  EXPECT_EQ(value(1, 1), 1);
  EXPECT_EQ(value(0, 2), -3);
  EXPECT_EQ(value(1, 2), -1);
  EXPECT_EQ(value(2, 2), 1);
  EXPECT_EQ(value(3, 2), 3);
  EXPECT_EQ(value(1, 4), -7);
  EXPECT_EQ(value(15, 4), 7);
  EXPECT_EQ(value(1, 8), -127);
  EXPECT_EQ(value(255, 8), 127);
}

TEST(GoldenConv, counts_the_padding_as_its_zero_code) {
  const Network network = single_layer_network("conv in=1x1x2 out=1 kernel=3x1 pad=1 out_bits=32");
  QuantizedLayer layer{8, {138, 129, 118}, {{2, 1, 1}}, {0, -100000, 100000}, {7}};
  // Weights 10, 1, -10 over one column (7, x, 7); the output has pad 1 in both directions: 1 x 4.
  const CodeTensor output =
      golden_weight_layer(network, network.layers[0], layer, {{1, 1, 2}, 8, {5, 9}}, 32);
  EXPECT_EQ(output.shape, (Shape{1, 1, 4}));
  EXPECT_EQ(output.codes, (std::vector<std::int32_t>{7, 5, 9, 7}));
}

TEST(GoldenPool, padding_never_wins) {
  Network network{"pool", {{"in", {1, 2, 2}}, {"out", {1, 2, 2}}}, {}, 0, 1};
  network.layers.push_back({"pool", LayerKind::max_pool, 0, 1, 2, 2, 2, 1});
  network.validate();
  const CodeTensor output = golden_max_pool(network, network.layers[0], {{1, 2, 2}, 8, {0, 3, 200, 4}});
  EXPECT_EQ(output.codes, (std::vector<std::int32_t>{0, 3, 200, 4}));
}

TEST(ImageCodes, reorder_rows_columns_channels_to_channels_first) {
  const std::uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8};
  const CodeTensor codes = image_codes({2, 2, 2}, bytes);
  EXPECT_EQ(codes.codes, (std::vector<std::int32_t>{1, 3, 5, 7, 2, 4, 6, 8}));
  EXPECT_THROW(image_codes({2, 2, 3}, bytes), InputError);
  EXPECT_THROW(input_codes({2, 2, 2}, 2, bytes), InputError);
}

TEST(RandomQuantization, spreads_results_over_the_range_and_saturates_at_both_ends) {
  for (const char* text :
       {"conv in=256x6x6 out=64 kernel=3 pad=1", "linear in=2000 out=300", "conv in=3x9x9 out=32 kernel=1"}) {
    for (const int bits : kWidths) {
      SCOPED_TRACE(testing::Message() << text << " " << bits);
      const Network network = single_layer_network(text);
      const QuantizedNetwork quantized = random_quantization(network, uniform_policy(network, bits, bits), 3);
      std::mt19937_64 random(1);
      const auto codes = golden_run(quantized, random_input(network.tensors[0].shape, bits, random))[1].codes;
      std::vector<int> seen(1 << bits);
      for (const std::int32_t code : codes) ++seen[code];
      EXPECT_GT(seen.front(), 0);
      EXPECT_GT(seen.back(), 0);
      EXPECT_GT(std::count_if(seen.begin(), seen.end(), [](int n) { return n > 0; }), (1 << bits) / 2);
    }
  }
}

TEST(RandomQuantization, the_same_seed_gives_the_same_integers) {
  const Network network = zoo_network("lenet");
  const Policy policy = uniform_policy(network, 4, 4);
  const QuantizedNetwork a = random_quantization(network, policy, 9);
  const QuantizedNetwork b = random_quantization(network, policy, 9);
  for (std::size_t i = 0; i < a.layers.size(); ++i) {
    EXPECT_EQ(a.layers[i].weights, b.layers[i].weights);
    EXPECT_EQ(a.layers[i].requantization, b.layers[i].requantization);
  }
  EXPECT_NE(a.layers[0].weights, random_quantization(network, policy, 10).layers[0].weights);
}

}  // namespace
}  // namespace bitloop::host::test
