#include <fmt/format.h>
#include <gtest/gtest.h>

#include "quant/tensor/byte_convolution.h"

namespace bitloop::quant {
namespace {

struct Case {
  std::int64_t images, channels, height, width, filters, groups;
  host::Window window;
};

const Case kCases[] = {
    {1, 1, 5, 7, 3, 1, {3, 3, 1, 1, 1}},    {3, 3, 9, 8, 16, 1, {3, 3, 2, 1, 1}},
    {2, 16, 8, 8, 24, 1, {1, 1, 1, 1, 0}},  {17, 40, 4, 6, 7, 1, {3, 2, {2, 1}, {1, 2}, {1, 0, 2, 3}}},
    {2, 12, 7, 7, 12, 12, {3, 3, 1, 1, 1}}, {2, 12, 7, 7, 24, 12, {5, 5, 2, 1, 2}},
    {4, 12, 7, 7, 18, 3, {3, 3, 1, 2, 2}},  {5, 1000, 1, 1, 10, 1, {1, 1, 1, 1, 0}},
};

at::Tensor expected(const Case& c, const at::Tensor& codes, const at::Tensor& weights) {
  const host::Window& w = c.window;
  const at::Tensor around =
      at::constant_pad_nd(codes.to(at::kDouble), {w.pad.left, w.pad.right, w.pad.top, w.pad.bottom}, 0);
  return at::conv2d(around, weights, {}, {w.stride.y, w.stride.x}, at::IntArrayRef{0, 0},
                    {w.dilation.y, w.dilation.x}, c.groups);
}

/// All windows of random codes and weights up to such sizes, twice: prepared, and prepared before.
void expect_exact(std::int64_t least, std::int64_t most, std::int64_t weight) {
  const at::ScalarType type = least < 0 ? at::kChar : at::kByte;
  ASSERT_TRUE(ByteConvolution::is_exact(most, weight, least < 0));
  for (const Case& c : kCases) {
    const at::Tensor codes = at::randint(least, most + 1, {c.images, c.channels, c.height, c.width}).to(type);
    const at::Tensor weights = at::randint(
        -weight, weight, {c.filters, c.channels / c.groups, c.window.height, c.window.width}, at::kDouble);
    const at::Tensor sums = expected(c, codes, weights);
    const ByteConvolution convolution(weights, c.window, c.groups);
    for (const at::ScalarType result : {at::kInt, at::kFloat, at::kInt}) {
      const at::Tensor own = convolution(codes, result);
      EXPECT_EQ(own.scalar_type(), result);
      EXPECT_TRUE(own.to(at::kDouble).equal(sums)) << fmt::format(
          "{} channels, {} filters, {} groups, codes from {}", c.channels, c.filters, c.groups, least);
    }
  }
}

TEST(ByteConvolution, is_exact_in_narrow_codes_and_weights_on_every_processor) {
  expect_exact(0, 15, 128);
  expect_exact(0, 255, 8);
}

TEST(ByteConvolution, is_exact_in_eight_bits_where_it_says_so) {
  if (!ByteConvolution::is_exact(255, 128)) GTEST_SKIP() << "this processor adds products in 16 bits";
  expect_exact(0, 255, 128);
  expect_exact(-128, 127, 128);
}

TEST(ByteConvolution, is_never_exact_beyond_bytes) {
  EXPECT_FALSE(ByteConvolution::is_exact(256, 1));
  EXPECT_FALSE(ByteConvolution::is_exact(1, 129));
}

TEST(ByteConvolution, sums_of_the_largest_codes_and_weights_do_not_saturate) {
  if (!ByteConvolution::is_exact(255, 128)) GTEST_SKIP() << "this processor adds products in 16 bits";
  // 512 products of 255 and -128 and one of 1 and 1: odd, and just within 24 bits.
  at::Tensor weights = at::full({8, 513, 1, 1}, -128);
  at::Tensor codes = at::full({2, 513, 3, 3}, 255, at::kByte);
  weights.select(1, 512).fill_(1);
  codes.select(1, 512).fill_(1);
  const at::Tensor sums = ByteConvolution(weights, {1, 1, 1, 1, 0}, 1)(codes, at::kInt);
  EXPECT_EQ(sums.min().item<int>(), -128 * 255 * 512 + 1);
  EXPECT_EQ(sums.max().item<int>(), -128 * 255 * 512 + 1);
}

}  // namespace
}  // namespace bitloop::quant
