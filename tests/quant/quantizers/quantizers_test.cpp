#include "quant/quantizers/encoding.h"

#include <gmock/gmock.h>

#include <cmath>
#include <random>

namespace bitloop::quant {
namespace {

using ::testing::ElementsAre;

std::vector<float> values_of(const at::Tensor& tensor) {
  const at::Tensor dense = tensor.to(at::kFloat).contiguous();
  return {dense.data_ptr<float>(), dense.data_ptr<float>() + dense.numel()};
}

TEST(WeightEncoding, one_bit_is_the_sign_and_zero_is_positive) {
  const at::Tensor values = weight_values(at::tensor({-9.0F, -0.1F, 0.0F, 0.1F, 9.0F}), 1);
  EXPECT_THAT(values_of(values), ElementsAre(-1, -1, 1, 1, 1));
  EXPECT_THAT(values_of(weight_codes(values, 1)), ElementsAre(0, 0, 1, 1, 1));
}

TEST(WeightEncoding, two_bits_are_the_odd_values) {
  const at::Tensor values =
      weight_values(at::tensor({-9.0F, -2.1F, -1.9F, -0.1F, 0.0F, 1.9F, 2.0F, 9.0F}), 2);
  EXPECT_THAT(values_of(values), ElementsAre(-3, -3, -1, -1, 1, 1, 3, 3));
  EXPECT_THAT(values_of(weight_codes(values, 2)), ElementsAre(0, 0, 1, 1, 2, 2, 3, 3));
}

TEST(WeightEncoding, four_and_eight_bits_are_symmetric) {
  const at::Tensor four = weight_values(at::tensor({-9.0F, -6.6F, -0.4F, 0.5F, 6.6F, 9.0F}), 4);
  EXPECT_THAT(values_of(four), ElementsAre(-7, -7, 0, 1, 7, 7));
  EXPECT_THAT(values_of(weight_codes(four, 4)), ElementsAre(1, 1, 8, 9, 15, 15));
  const at::Tensor eight = weight_values(at::tensor({-500.0F, 0.0F, 126.6F, 500.0F}), 8);
  EXPECT_THAT(values_of(eight), ElementsAre(-127, 0, 127, 127));
  EXPECT_THAT(values_of(weight_codes(eight, 8)), ElementsAre(1, 128, 255, 255));
}

TEST(WeightEncoding, codes_decode_to_their_values_by_the_hardwares_formula) {
  for (const int bits : host::kWidths) {
    const at::Tensor values = weight_values(at::linspace(-200, 200, 2001), bits);
    const auto [alpha, beta] = host::weight_code(bits);
    const at::Tensor codes = weight_codes(values, bits).to(at::kFloat);
    EXPECT_TRUE(codes.mul(alpha).sub(beta).equal(values)) << bits << " bits";
    EXPECT_LT(codes.max().item<float>(), std::exp2(bits));
  }
}

TEST(WeightEncoding, gradient_passes_only_inside_of_the_range) {
  const at::Tensor ratio = at::tensor({-8.0F, -4.0F, -2.0F, 0.0F, 2.1F, 4.1F, 7.1F});
  EXPECT_THAT(values_of(weight_pass(ratio, 1)), ElementsAre(0, 0, 1, 1, 0, 0, 0));
  EXPECT_THAT(values_of(weight_pass(ratio, 2)), ElementsAre(0, 1, 1, 1, 1, 0, 0));
  EXPECT_THAT(values_of(weight_pass(ratio, 4)), ElementsAre(0, 1, 1, 1, 1, 1, 0));
  EXPECT_THAT(values_of(weight_pass(ratio, 8)), ElementsAre(1, 1, 1, 1, 1, 1, 1));
}

TEST(ActivationCodes, signed_ranges_are_offset_by_half) {
  const CodeRange range = code_range(4, true);
  EXPECT_EQ(range.zero, 8);
  EXPECT_EQ(range.low, -8);
  EXPECT_EQ(range.high, 7);
}

TEST(Multipliers, are_rounded_to_16_bits) {
  EXPECT_EQ(round_to_multiplier(65535.0F), 65535);
  EXPECT_EQ(round_to_multiplier(65535.5F), 65536);
  EXPECT_EQ(round_to_multiplier(32768.49F), 32768);
  EXPECT_EQ(round_to_multiplier(0.0F), 0);
}

TEST(Multipliers, use_all_16_bits_and_approximate_the_real_map) {
  std::mt19937_64 generator(3);
  std::uniform_real_distribution<double> exponent(-20, 4), bias(-300, 300);
  for (int i = 0; i < 1000; ++i) {
    const double multiplier = std::exp2(exponent(generator)), offset = bias(generator);
    const host::Requantization r = to_requantization(multiplier, offset);
    ASSERT_GE(r.multiplier, 32768) << multiplier;
    ASSERT_TRUE(r.shift >= 1 && r.shift <= 47);
    ASSERT_LT(std::abs(r.bias), std::int64_t{1} << 49);
    const auto d = static_cast<std::int64_t>(generator() % 100'000) - 50'000;
    const double exact = static_cast<double>(d) * multiplier + offset;
    const std::int32_t y = host::requantize(d, r, {0, -2'000'000'000, 2'000'000'000});
    // Half a unit of rounding, and the multiplier's relative error of 2^-16.
    ASSERT_NEAR(y, exact, 0.5 + std::abs(static_cast<double>(d)) * multiplier / 65536 + 1e-6);
  }
}

TEST(Multipliers, stay_in_their_ranges_at_the_extremes) {
  const host::Requantization tiny = to_requantization(1e-30, 1);
  EXPECT_EQ(tiny.multiplier, 0);
  EXPECT_EQ(tiny.shift, 47);
  EXPECT_EQ(host::requantize(1'000'000, tiny, {0, 0, 255}), 1);
  const host::Requantization steep = to_requantization(1e9, 0);
  EXPECT_EQ(steep.multiplier, 65535);
  EXPECT_EQ(steep.shift, 1);
  const host::Requantization shifted = to_requantization(1e-3, 1e9);
  EXPECT_LT(std::abs(shifted.bias), std::int64_t{1} << 49);
  EXPECT_NEAR(host::requantize(0, shifted, {0, 0, 2'000'000'000}), 1e9, 1);
}

}  // namespace
}  // namespace bitloop::quant
