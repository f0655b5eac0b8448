#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "host/network/quantized_network.h"
#include "tests/host/network/random_cases.h"

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

TEST(GoldenFunction, looks_every_code_up) {
  QuantizedLayer layer;
  for (int code = 0; code < kTableCodes; ++code) layer.table.push_back(static_cast<std::uint8_t>(code / 17));
  const CodeTensor result = golden_function(layer, {{1, 1, 4}, 8, {0, 16, 17, 255}}, 4);
  EXPECT_EQ(result, (CodeTensor{{1, 1, 4}, 4, {0, 0, 1, 15}}));
}

TEST(GoldenProduct, counts_codes_from_their_zero) {
  Network network;
  network.tensors = {{"x", {2, 1, 2}, true}, {"gate", {2, 1, 1}, false}, {"y", {2, 1, 2}, true}};
  network.layers = {{.name = "product", .kind = LayerKind::product, .inputs = {0, 1}, .output = 2}};
  QuantizedLayer layer;
  layer.requantization = {{1, 1, 1}};  // half, ties up
  layer.range = {128, 0, 255};
  const CodeTensor x{{2, 1, 2}, 8, {128, 131, 0, 255}}, gate{{2, 1, 1}, 8, {3, 1}};
  const auto product = [&] { return golden_product(network, network.layers[0], layer, x, gate, 8).codes; };
  EXPECT_EQ(product(), (std::vector<std::int32_t>{128, 133, 64, 192}));  // 0, 9 / 2, -128 / 2, 127 / 2
  network.tensors[1].is_signed = true;                                   // less 128: -125, -127
  EXPECT_EQ(product(), (std::vector<std::int32_t>{128, 0, 255, 0}));
}

TEST(GoldenConv, counts_the_padding_as_its_zero_code) {
  const Network network = single_layer_network("conv in=1x1x2 out=1 kernel=3x1 pad=1 out_bits=32");
  QuantizedLayer layer{8, {138, 129, 118}, {{2, 1, 1}}, {}, {0, -100000, 100000}, {7}, {}};
  // Weights 10, 1, -10 over one column (7, x, 7); the output has pad 1 in both directions: 1 x 4.
  const CodeTensor output =
      golden_weight_layer(network, network.layers[0], layer, {{1, 1, 2}, 8, {5, 9}}, 32);
  EXPECT_EQ(output.shape, (Shape{1, 1, 4}));
  EXPECT_EQ(output.codes, (std::vector<std::int32_t>{7, 5, 9, 7}));
}

/// One layer from tensor 0 (of `in`) to the last tensor (of `out`).
Network one_layer(Layer layer, const Shape& in, const Shape& out) {
  Network network{"test", {{"in", in}, {"out", out}}, {}, 0, {1}};
  layer.name = "layer";
  layer.inputs = {0};
  layer.output = 1;
  network.layers.push_back(layer);
  return network;
}

Layer windows(LayerKind kind, int kernel, int stride, int pad, int pad_end = -1) {
  Layer layer;
  layer.kind = kind;
  layer.kernel_height = layer.kernel_width = kernel;
  layer.stride = stride;
  const int end = pad_end < 0 ? pad : pad_end;
  layer.pad = {pad, pad, end, end};
  return layer;
}

using Codes = std::vector<std::int32_t>;
constexpr Requantization kIdentity{2, 1, 1};  // (2d + 1) >> 1

// 2d + 4 is the sum without the rounding: it is zero at d = -2.
constexpr Requantization kPositive{2, 2, 4 + 2};
constexpr Requantization kNegative{1, 3, 0};
constexpr OutputRange kAroundTen{10, 0, 255};

TEST(Leaky, the_second_set_applies_below_zero_and_not_at_zero) {
  EXPECT_EQ(requantize_leaky(-2, kPositive, kNegative, kAroundTen), 10);  // 2 >> 2; the second gives 9
  EXPECT_EQ(requantize_leaky(-3, kPositive, kNegative, kAroundTen), 9);   // -3 >> 3; the first gives 10
  EXPECT_EQ(requantize_leaky(-80, kPositive, kNegative, kAroundTen), 0);  // -10
  EXPECT_EQ(requantize_leaky(-81, kPositive, kNegative, kAroundTen), 0);  // -11, clamped
  EXPECT_EQ(requantize_leaky(5, kPositive, kNegative, kAroundTen), 14);   // 16 >> 2
}

TEST(Leaky, a_convolution_asks_every_filter_for_its_own_sign) {
  const Network network = one_layer(windows(LayerKind::conv, 1, 1, 0), {1, 1, 2}, {2, 1, 2});
  QuantizedLayer layer;
  layer.weights = {128 - 1, 128 + 1};
  layer.requantization = {kPositive, kPositive};
  layer.negative = {kNegative, {3, 1, 0}};
  layer.range = kAroundTen;
  layer.pad_codes = {0};
  const CodeTensor output = golden_weight_layer(network, network.layers[0], layer, {{1, 1, 2}, 8, {2, 3}}, 8);
  EXPECT_EQ(output.codes, (Codes{10, 9, 12, 13}));  // d = -2, -3; 2, 3: 10 >> 2, 12 >> 2
}

TEST(GoldenDepthwise, every_channel_has_one_filter_of_its_own) {
  const Network network = one_layer(windows(LayerKind::depthwise, 3, 1, 1), {2, 1, 3}, {2, 1, 3});
  QuantizedLayer layer;
  layer.weights.assign(18, 128);
  layer.weights[3] = 129;  // channel 0, middle row: 1, 2, 3
  layer.weights[4] = 130;
  layer.weights[5] = 131;
  layer.weights[9 + 1] = 129;  // channel 1, middle column: 1, -1, 0
  layer.weights[9 + 4] = 127;
  layer.requantization = {kIdentity, {4, 1, 1}};
  layer.range = {0, 0, 255};
  layer.pad_codes = {0, 7};
  const CodeTensor input{{2, 1, 3}, 8, {10, 20, 30, 1, 2, 3}};
  const CodeTensor output = golden_weight_layer(network, network.layers[0], layer, input, 8);
  EXPECT_EQ(output.codes, (Codes{80, 140, 80, 12, 10, 8}));
}

TEST(GoldenDepthwise, a_channel_may_have_several_filters_in_a_row) {
  const Network network = one_layer(windows(LayerKind::depthwise, 1, 1, 0), {2, 1, 2}, {4, 1, 2});
  QuantizedLayer layer;
  layer.weights = {129, 130, 131, 132};
  layer.requantization.assign(4, kIdentity);
  layer.pad_codes = {0, 0};
  const CodeTensor output =
      golden_weight_layer(network, network.layers[0], layer, {{2, 1, 2}, 8, {1, 2, 10, 20}}, 8);
  EXPECT_EQ(output.codes, (Codes{1, 2, 2, 4, 30, 60, 40, 80}));
}

TEST(GoldenConv, filters_of_a_group_read_its_channels_alone) {
  Layer grouped = windows(LayerKind::conv, 1, 1, 0);
  grouped.groups = 2;
  const Network network = one_layer(grouped, {4, 1, 1}, {2, 1, 1});
  EXPECT_EQ(network.weight_count(network.layers[0]), 4);
  QuantizedLayer layer;
  layer.weights = {129, 130, 131, 132};
  layer.requantization.assign(2, kIdentity);
  layer.pad_codes.assign(4, 0);
  const CodeTensor output =
      golden_weight_layer(network, network.layers[0], layer, {{4, 1, 1}, 8, {1, 2, 3, 4}}, 8);
  EXPECT_EQ(output.codes, (Codes{1 + 2 * 2, 3 * 3 + 4 * 4}));
}

TEST(GoldenSelect, gives_the_named_channels_in_their_order) {
  const CodeTensor output = golden_select({{3, 1, 2}, 4, {1, 2, 3, 4, 5, 6}}, std::vector<int>{2, 0});
  EXPECT_EQ(output.shape, (Shape{2, 1, 2}));
  EXPECT_EQ(output.bits, 4);
  EXPECT_EQ(output.codes, (Codes{5, 6, 1, 2}));
}

TEST(GoldenMaxPool, padding_never_wins) {
  const Network network = one_layer(windows(LayerKind::max_pool, 2, 2, 1), {1, 2, 2}, {1, 2, 2});
  const CodeTensor output = golden_max_pool(network, network.layers[0], {{1, 2, 2}, 8, {0, 3, 200, 4}});
  EXPECT_EQ(output.codes, (Codes{0, 3, 200, 4}));
}

TEST(GoldenMaxPool, may_be_padded_at_the_end_only) {
  const Network network = one_layer(windows(LayerKind::max_pool, 2, 1, 0, 1), {1, 2, 2}, {1, 2, 2});
  const CodeTensor output = golden_max_pool(network, network.layers[0], {{1, 2, 2}, 8, {1, 5, 3, 2}});
  EXPECT_EQ(output.codes, (Codes{5, 5, 3, 2}));
}

TEST(GoldenAveragePool, requantizes_the_sum_with_the_padding_at_its_code) {
  const Network network = one_layer(windows(LayerKind::average_pool, 2, 2, 1), {1, 2, 2}, {1, 2, 2});
  QuantizedLayer layer;
  layer.requantization = {{1, 2, 2}};  // (sum + 2) >> 2
  layer.pad_codes = {100};
  const CodeTensor output =
      golden_average_pool(network, network.layers[0], layer, {{1, 2, 2}, 8, {0, 3, 200, 4}}, 8);
  EXPECT_EQ(output.codes, (Codes{75, 76, 125, 76}));  // 300, 303, 500, 304
}

TEST(GoldenAveragePool, takes_the_set_of_the_taps_that_count) {
  Layer pool = windows(LayerKind::average_pool, 2, 2, 1);
  pool.kernel_width = 1;
  pool.stride = {1, 1};
  pool.pad = {1, 0, 1, 0};
  pool.uncounted = {1, 0, 0, 0};
  const Network network = one_layer(pool, {1, 2, 2}, {1, 3, 2});
  EXPECT_EQ(counted_taps(network, network.layers[0]), (std::vector{2, 1}));
  QuantizedLayer layer;
  layer.requantization = {{2, 2, 0}, {8, 2, 0}};  // half the sum, twice the sum
  layer.pad_codes = {10};
  // Above the first row one tap counts, below the last both do.
  EXPECT_EQ(golden_average_pool(network, network.layers[0], layer, {{1, 2, 2}, 8, {4, 20, 6, 40}}, 8).codes,
            (Codes{28, 60, 5, 30, 8, 25}));
}

TEST(GoldenDepthwise, windows_differ_by_direction) {
  Layer layer = windows(LayerKind::depthwise, 2, 1, 0);
  layer.kernel_height = 1;
  layer.stride = {2, 1};
  layer.dilation = {5, 2};
  layer.pad = {0, 1, 0, 3};
  const Network network = one_layer(layer, {1, 3, 2}, {1, 2, 4});
  QuantizedLayer integers;
  integers.weights = {129, 138};  // 1 and 10, two columns apart
  integers.requantization = {kIdentity};
  integers.pad_codes = {7};
  EXPECT_EQ(
      golden_weight_layer(network, network.layers[0], integers, {{1, 3, 2}, 8, {1, 2, 9, 9, 3, 4}}, 8).codes,
      (Codes{27, 71, 72, 77, 47, 73, 74, 77}));
}

TEST(GoldenMaxPool, may_be_dilated) {
  Layer layer = windows(LayerKind::max_pool, 2, 1, 0);
  layer.kernel_height = 1;
  layer.dilation = {1, 2};
  const Network network = one_layer(layer, {1, 2, 3}, {1, 2, 1});
  EXPECT_EQ(golden_max_pool(network, network.layers[0], {{1, 2, 3}, 8, {1, 9, 5, 2, 8, 4}}).codes,
            (Codes{5, 4}));
}

TEST(GoldenAdd, sums_both_products_and_one_bias_before_one_shift) {
  QuantizedLayer layer;
  layer.requantization = {{3, 2, -7}, {5, 2, 1000}};  // the second's bias does not count
  layer.range = {100, 0, 255};
  const CodeTensor first{{1, 1, 4}, 8, {10, 0, 255, 3}};
  const CodeTensor second{{1, 1, 4}, 8, {4, 0, 255, 0}};
  // 30 + 20 - 7 = 43; -7; 765 + 1275 - 7 = 2033; 9 - 7 = 2
  EXPECT_EQ(golden_add(layer, first, second, 8), (CodeTensor{{1, 1, 4}, 8, {110, 98, 255, 100}}));
}

TEST(GoldenInterleave, puts_positions_side_by_side) {
  const CodeTensor a{{1, 1, 2}, 8, {1, 2}}, b{{1, 1, 2}, 8, {3, 4}}, c{{1, 1, 2}, 8, {5, 6}};
  const std::vector<const CodeTensor*> parts{&a, &b, &c};
  EXPECT_EQ(golden_interleave(parts, {1, 3}).codes, (Codes{1, 3, 5, 2, 4, 6}));
  EXPECT_EQ(golden_interleave(parts, {3, 1}).codes, (Codes{1, 2, 3, 4, 5, 6}));
}

TEST(GoldenConcat, puts_channels_one_behind_the_other) {
  const CodeTensor a{{1, 1, 2}, 4, {1, 2}};
  const CodeTensor b{{2, 1, 2}, 4, {3, 4, 5, 6}};
  const CodeTensor* const inputs[] = {&b, &a, &b};
  EXPECT_EQ(golden_concat(inputs), (CodeTensor{{5, 1, 2}, 4, {3, 4, 5, 6, 1, 2, 3, 4, 5, 6}}));
}

TEST(GoldenUpsample, repeats_positions_in_both_directions) {
  EXPECT_EQ(golden_upsample({{2, 1, 2}, 2, {1, 2, 3, 0}}, 2),
            (CodeTensor{{2, 2, 4}, 2, {1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 0, 0, 3, 3, 0, 0}}));
}

TEST(GoldenNarrow, requantizes_8_bit_codes) {
  const Narrowing narrowing{{1, 6, 32 - 128}, {2, 0, 3}};  // (code - 128) / 64 around 2, ties up
  EXPECT_EQ(golden_narrow(narrowing, {{1, 1, 6}, 8, {0, 31, 32, 95, 160, 255}}, 2),
            (CodeTensor{{1, 1, 6}, 2, {0, 0, 1, 1, 3, 3}}));
}

/// conv1 -> a; conv2 reads a at 2 bits -> b; a + b -> c; average pool -> d; conv3 -> result.
Network residual_network() {
  const Shape shape{3, 4, 4};
  Network network{
      "residual",
      {{"in", shape}, {"a", shape}, {"b", shape}, {"c", shape}, {"d", {3, 1, 1}}, {"out", {5, 1, 1}}},
      {{"conv1", LayerKind::conv, {0}, 1},
       {"conv2", LayerKind::conv, {1}, 2},
       {"sum", LayerKind::add, {1, 2}, 3},
       {"pool", LayerKind::average_pool, {3}, 4, 4, 4},
       {"conv3", LayerKind::conv, {4}, 5}},
      0,
      {5}};
  derive_signedness(network);
  network.validate();
  return network;
}

TEST(GoldenRun, convolutions_read_the_narrow_form_and_adds_the_written_one) {
  const Network network = residual_network();
  Policy policy = uniform_policy(network, 4, 4);
  policy.layers[1].input_bits = 2;
  const QuantizedNetwork quantized = random_quantization(network, policy, 5);
  std::mt19937_64 random(1);
  const TensorCodes codes = golden_run(quantized, random_input({3, 4, 4}, 8, random));
  const auto& written = codes.written;
  EXPECT_EQ(written[1].bits, 8);
  EXPECT_EQ(codes.narrow[1], golden_narrow(quantized.narrowing[1], written[1], 2));
  EXPECT_EQ(written[2],
            golden_weight_layer(network, network.layers[1], quantized.layers[1], codes.narrow[1], 8));
  EXPECT_EQ(written[3], golden_add(quantized.layers[2], written[1], written[2], 8));
  EXPECT_EQ(written[4], golden_average_pool(network, network.layers[3], quantized.layers[3], written[3], 4));
  EXPECT_EQ(written[5], golden_weight_layer(network, network.layers[4], quantized.layers[4], written[4], 32));
  EXPECT_TRUE(codes.narrow[3].codes.empty());
  EXPECT_EQ(&codes.read(quantized.bits, network.layers[1], 1), &codes.narrow[1]);
  EXPECT_EQ(&codes.read(quantized.bits, network.layers[3], 3), &codes.written[3]);
}

TEST(ImageCodes, reorder_rows_columns_channels_to_channels_first) {
  const std::uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8};
  const CodeTensor codes = image_codes({2, 2, 2}, bytes);
  EXPECT_EQ(codes.codes, (std::vector<std::int32_t>{1, 3, 5, 7, 2, 4, 6, 8}));
  EXPECT_THROW(image_codes({2, 2, 3}, bytes), InputError);
  EXPECT_THROW(input_codes({2, 2, 2}, 2, bytes), InputError);
}

void expect_spread(const CodeTensor& tensor) {
  std::vector<int> seen(1 << tensor.bits);
  for (const std::int32_t code : tensor.codes) ++seen[code];
  EXPECT_GT(seen.front(), 0);
  EXPECT_GT(seen.back(), 0);
  EXPECT_GT(std::count_if(seen.begin(), seen.end(), [](int n) { return n > 0; }), (1 << tensor.bits) / 2);
}

CodeTensor random_tensor(const Shape& shape, int bits, std::mt19937_64& random) {
  return input_codes(shape, bits, random_input(shape, bits, random));
}

TEST(RandomQuantization, spreads_results_over_the_range_and_saturates_at_both_ends) {
  for (const char* text : {"conv in=256x6x6 out=64 kernel=3 pad=1", "linear in=2000 out=300",
                           "conv in=3x9x9 out=32 kernel=1", "dwconv in=96x12x12 kernel=3 pad=1"}) {
    for (const int bits : kWidths) {
      SCOPED_TRACE(testing::Message() << text << " " << bits);
      const Network network = single_layer_network(text);
      const QuantizedNetwork quantized = random_quantization(network, uniform_policy(network, bits, bits), 3);
      std::mt19937_64 random(1);
      expect_spread(golden_run(quantized, random_input(network.tensors[0].shape, bits, random)).written[1]);
    }
  }
}

TEST(RandomQuantization, spreads_the_results_of_adds_pools_and_narrow_forms) {
  const Network network = residual_network();
  for (const int bits : {2, 4, 8}) {
    for (int seed = 0; seed < 20; ++seed) {
      SCOPED_TRACE(testing::Message() << bits << " bits, seed " << seed);
      Policy policy = uniform_policy(network, 8, bits);
      const QuantizedNetwork quantized = random_quantization(network, policy, seed);
      std::mt19937_64 random(seed);
      const Shape shape{8, 32, 32};
      const auto a = random_tensor(shape, 8, random);
      expect_spread(golden_add(quantized.layers[2], a, random_tensor(shape, 8, random), 8));
      const Network pool = one_layer(windows(LayerKind::average_pool, 4, 4, 0), shape, {8, 8, 8});
      QuantizedLayer integers = quantized.layers[3];
      integers.pad_codes.resize(8);
      const auto pooled = golden_average_pool(pool, pool.layers[0], integers, a, bits);
      EXPECT_GE(*std::max_element(pooled.codes.begin(), pooled.codes.end()), (1 << bits) * 3 / 4);
      EXPECT_LT(*std::min_element(pooled.codes.begin(), pooled.codes.end()), (1 << bits) / 4);
      if (bits < 8) expect_spread(golden_narrow(quantized.narrowing[1], a, bits));
    }
  }
}

TEST(RandomQuantization, leaky_layers_have_a_second_set_that_both_signs_reach) {
  Network network = single_layer_network("conv in=32x8x8 out=16 kernel=3 pad=1");
  network.layers[0].activation = Activation::leaky_relu;
  derive_signedness(network);
  const QuantizedNetwork quantized = random_quantization(network, uniform_policy(network, 4, 4), 2);
  const QuantizedLayer& layer = quantized.layers[0];
  ASSERT_EQ(layer.negative.size(), layer.requantization.size());
  EXPECT_NE(layer.negative, layer.requantization);
  EXPECT_EQ(layer.range.zero, 8);
  std::mt19937_64 random(1);
  const auto codes = golden_run(quantized, random_input({32, 8, 8}, 4, random)).written[1].codes;
  EXPECT_GT(std::count_if(codes.begin(), codes.end(), [](int code) { return code < 7; }), 50);
  EXPECT_GT(std::count_if(codes.begin(), codes.end(), [](int code) { return code > 9; }), 50);
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
