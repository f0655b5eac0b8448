#include "host/program/plane_words.h"

#include <gtest/gtest.h>

#include "tests/host/network/random_cases.h"

namespace bitloop::host::test {
namespace {

std::uint64_t word(const std::vector<std::byte>& bytes, std::size_t index) {
  std::uint64_t result = 0;
  for (int i = 7; i >= 0; --i) result = result << 8 | std::to_integer<std::uint64_t>(bytes[8 * index + i]);
  return result;
}

TEST(PlaneWords, two_planes_of_32_channels_share_a_word) {
  CodeTensor tensor{{33, 1, 2}, 4, std::vector<std::int32_t>(66)};
  tensor.codes[2 * 5 + 1] = 0b1011;  // channel 5, x = 1
  tensor.codes[2 * 32] = 0b0110;     // channel 32, x = 0: bit 0 of the second block
  const auto bytes = pack_tensor(tensor);
  ASSERT_EQ(bytes.size(), 8u * 4 * 2);
  EXPECT_EQ(word(bytes, 1), std::uint64_t{1} << 5 | std::uint64_t{1} << 37);  // word 0, x = 1: planes 0 and 1
  EXPECT_EQ(word(bytes, 3), std::uint64_t{1} << 37);  // word 1: planes 2 (0) and 3 (1)
  EXPECT_EQ(word(bytes, 4), std::uint64_t{1} << 32);  // block 1, planes 0 (0) and 1 (1)
  EXPECT_EQ(word(bytes, 6), 1u);
}

TEST(PlaneWords, one_bit_codes_share_a_word_by_64_channels) {
  CodeTensor tensor{{65, 2, 1}, 1, std::vector<std::int32_t>(130)};
  tensor.codes[2 * 63 + 1] = 1;
  tensor.codes[2 * 64 + 0] = 1;
  const auto bytes = pack_tensor(tensor);
  ASSERT_EQ(bytes.size(), 8u * 2 * 2);
  EXPECT_EQ(word(bytes, 1), 1u);                      // row 0, word 1
  EXPECT_EQ(word(bytes, 2), std::uint64_t{1} << 63);  // row 1, word 0
}

TEST(PlaneWords, tensors_of_every_width_and_shape_read_back) {
  std::mt19937_64 random(1);
  for (const int bits : {1, 2, 4, 8, 32}) {
    for (int i = 0; i < 20; ++i) {
      const Shape shape{between(random, 1, 130), between(random, 1, 5), between(random, 1, 5)};
      CodeTensor tensor{shape, bits, {}};
      for (long n = 0; n < shape.elements(); ++n) {
        const auto code = static_cast<std::uint32_t>(random());
        tensor.codes.push_back(static_cast<std::int32_t>(bits == 32 ? code : code & ((1u << bits) - 1)));
      }
      EXPECT_EQ(unpack_tensor(shape, bits, pack_tensor(tensor)), tensor);
    }
  }
  EXPECT_THROW(unpack_tensor({1, 1, 1}, 8, std::vector<std::byte>(8)), InputError);
}

TEST(WeightStream, orders_half_words_by_block_row_column_plane) {
  WeightCodes weights{2, 33, 1, 2, 2, kBlockChannels, std::vector<std::uint8_t>(2 * 33 * 2)};
  weights.codes[1 * 2 + 1] = 0b10;            // filter 0, channel 1, column 1: half word 3
  weights.codes[33 * 2 + 32 * 2 + 0] = 0b01;  // filter 1, channel 32, column 0: half word 4
  const Words words = pack_weights(weights, {0, 2, 0, 1}, 0, 4);
  ASSERT_EQ(words.size(), 4u * 4);  // 8 half words for each of 4 lanes, two of them missing filters
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::uint64_t expected = i == 4 ? std::uint64_t{1} << 33 : i == 2 * 4 + 1 ? 1 : 0;
    EXPECT_EQ(words[i], expected) << i;
  }
}

TEST(WeightStream, pads_an_odd_number_of_half_words_and_uses_whole_words_at_one_bit) {
  const WeightCodes narrow{1, 10, 3, 1, 1, kBlockChannels, std::vector<std::uint8_t>(30, 1)};
  EXPECT_EQ(pack_weights(narrow, {0, 1, 0, 3}, 0, 1), (Words{0x3ff'0000'03ff, 0x3ff}));
  const WeightCodes wide{1, 64, 1, 1, 1, 64, std::vector<std::uint8_t>(64, 1)};
  EXPECT_EQ(pack_weights(wide, {0, 1, 0, 1}, 0, 1), (Words{~std::uint64_t{0}}));
}

TEST(DepthwiseWeights, are_bytes_of_values_tap_by_tap) {
  // 33 channels of 1x3 taps; F = 8: two taps per row, the third in a row of its own.
  WeightCodes weights{33, 1, 1, 3, 2, kBlockChannels, std::vector<std::uint8_t>(99, 3)};
  weights.codes[9 * 3 + 1] = 0;   // channel 9, tap 1: -3
  weights.codes[32 * 3 + 2] = 1;  // channel 32, tap 2: -1
  ASSERT_EQ(depthwise_rows(3, 8), 2);
  constexpr std::uint64_t kThrees = 0x0303'0303'0303'0303;
  EXPECT_EQ(pack_depthwise(weights, 0, 8),
            (Words{kThrees, kThrees, kThrees, kThrees, kThrees, 0x0303'0303'0303'fd03, kThrees, kThrees,  //
                   kThrees, kThrees, kThrees, kThrees, 0, 0, 0, 0}));
  EXPECT_EQ(pack_depthwise(weights, 1, 4), (Words{3, 0, 0, 0, 3, 0, 0, 0, 0xff, 0, 0, 0}));
}

TEST(DepthwiseWeights, hold_the_extreme_values_of_every_width) {
  const auto byte = [](int bits, std::uint8_t code) {
    return pack_depthwise({1, 1, 1, 1, bits, kBlockChannels, {code}}, 0, 4)[0];
  };
  EXPECT_EQ(byte(1, 0), 0xffu);
  EXPECT_EQ(byte(1, 1), 0x01u);
  EXPECT_EQ(byte(4, 0), 0xf8u);
  EXPECT_EQ(byte(4, 15), 0x07u);
  EXPECT_EQ(byte(8, 0), 0x80u);
  EXPECT_EQ(byte(8, 255), 0x7fu);
}

TEST(ParameterSlot, holds_bias_multiplier_shift_limits_and_zero_point) {
  const std::vector<Requantization> requantization{{1, 1, 1}, {0xabcd, 47, -2}};
  const OutputRange range{-5, -7, 9};
  EXPECT_EQ(pack_parameters(requantization, range, 1, 2),
            (Words{~std::uint64_t{1}, 0x2f'abcd, 0, 0, 0x0000'0009'ffff'fff9, 0xffff'fffb}));
}

}  // namespace
}  // namespace bitloop::host::test
