// The requantization lanes alone, against the golden functions of the host: rows of all kinds that follow
// each other, with gaps.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <limits>
#include <optional>
#include <random>
#include <vector>

#include "Vrequantizer.h"
#include "host/network/quantized_network.h"
#include "tests/rtl/clock.h"

namespace bitloop::rtl_test {
namespace {

using host::OutputRange;
using host::Requantization;

constexpr int kF = 4;  // as the build sets it
constexpr OutputRange kWhole{0, std::numeric_limits<std::int32_t>::min(),
                             std::numeric_limits<std::int32_t>::max()};

/// What one row's stages are given; results are of the last row.
struct Row {
  bool direct = false, high_byte = false, low_byte = false, sum_on = false, choose = false;
  int log2_weight_bits = 0;
  std::uint32_t rowsum = 0;
  std::array<std::uint32_t, kF> acc{};
  std::array<std::int32_t, kF> channel{};  ///< 22 bits
  std::array<Requantization, kF> parameters{};
  std::optional<std::array<std::int32_t, kF>> expected;  ///< where a result ends with this row
};

class Requantizers : public ::testing::Test {
 protected:
  Requantizers() { reset(dut_); }

  std::int64_t between(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random_);
  }

  /// Any, and often the largest or the smallest.
  std::int64_t extreme(std::int64_t low, std::int64_t high) {
    const auto dice = between(0, 5);
    return dice == 0 ? low : dice == 1 ? high : between(low, high);
  }

  Requantization parameters() {
    constexpr std::int64_t kBias = std::int64_t{1} << 49;
    Requantization r;
    r.multiplier = static_cast<std::uint16_t>(extreme(0, 65535));
    r.shift = static_cast<std::uint8_t>(extreme(1, 47));
    // biases of all sizes
    r.bias = extreme(-kBias, kBias - 1) >> between(0, 49);
    return r;
  }

  /// A row of the array, and each lane's d.
  std::array<std::int64_t, kF> array_row(Row& row) {
    row.log2_weight_bits = static_cast<int>(between(0, 3));
    const int beta = host::weight_code(1 << row.log2_weight_bits).beta;
    constexpr std::int64_t kMost = std::numeric_limits<std::uint32_t>::max();
    row.rowsum = static_cast<std::uint32_t>(extreme(0, kMost / beta));
    std::array<std::int64_t, kF> d;
    for (int f = 0; f < kF; ++f) {
      row.acc[f] = static_cast<std::uint32_t>(extreme(0, kMost));
      d[f] = host::corrected_dot(row.acc[f], row.rowsum, 1 << row.log2_weight_bits);
    }
    return d;
  }

  /// A row of channelwise sums: whole ones, or a byte of them.
  std::array<std::int64_t, kF> channelwise_row(Row& row, bool bytes) {
    row.direct = true;
    row.high_byte = bytes && between(0, 1);
    row.low_byte = bytes && !row.high_byte;
    row.rowsum = static_cast<std::uint32_t>(between(0, 1000));  // without a meaning
    std::array<std::int64_t, kF> d;
    for (int f = 0; f < kF; ++f) {
      row.channel[f] = static_cast<std::int32_t>(extreme(-(1 << 21), (1 << 21) - 1));
      d[f] = row.high_byte  ? row.channel[f] >> 8 & 0xff
             : row.low_byte ? row.channel[f] & 0xff
                            : row.channel[f];
    }
    return d;
  }

  void append_result() {
    Row row;
    const auto kind = between(0, 3);
    const bool channelwise = between(0, 1) || kind == 1;
    const auto d = channelwise ? channelwise_row(row, kind == 1) : array_row(row);
    for (auto& r : row.parameters) r = parameters();
    if (kind == 1) {  // an add: bytes of one sum, each times its own multiplier
      Row second = row;
      second.sum_on = true;
      second.high_byte = !row.high_byte;
      second.low_byte = !row.low_byte;
      second.expected.emplace();
      for (int f = 0; f < kF; ++f) {
        second.parameters[f].multiplier = static_cast<std::uint16_t>(extreme(0, 65535));
        const std::int64_t d2 = row.channel[f] >> (second.high_byte ? 8 : 0) & 0xff;
        Requantization both = second.parameters[f];
        both.bias = d[f] * row.parameters[f].multiplier + row.parameters[f].bias;
        (*second.expected)[f] = host::requantize(d2, both, kWhole);
      }
      rows_.insert(rows_.end(), {row, second});
    } else if (kind == 2) {  // leaky: the same again with the parameters of negative results
      Row second = row;
      second.choose = true;
      second.expected.emplace();
      for (int f = 0; f < kF; ++f) {
        // often at the border
        if (between(0, 2) == 0) {
          row.parameters[f].bias =
              std::clamp<std::int64_t>((std::int64_t{1} << (row.parameters[f].shift - 1)) -
                                           d[f] * row.parameters[f].multiplier + between(-1, 1),
                                       -(std::int64_t{1} << 49), (std::int64_t{1} << 49) - 1);
        }
        second.parameters[f] = parameters();
        (*second.expected)[f] = host::requantize_leaky(d[f], row.parameters[f], second.parameters[f], kWhole);
      }
      rows_.insert(rows_.end(), {row, second});
    } else {
      row.expected.emplace();
      for (int f = 0; f < kF; ++f) (*row.expected)[f] = host::requantize(d[f], row.parameters[f], kWhole);
      rows_.push_back(row);
    }
  }

  /// `bits` bits from bit `low` of a pin, in words.
  static void put(std::uint32_t* pin, int low, int bits, std::int64_t value) {
    for (int i = 0; i < bits; ++i) {
      const std::uint32_t mask = 1U << (low + i) % 32;
      std::uint32_t& word = pin[(low + i) / 32];
      word = value >> i & 1 ? word | mask : word & ~mask;
    }
  }

  void drive() {
    dut_.stage_i = 0;
    for (int stage = 0; stage < 4; ++stage) {
      if (!stages_[stage]) continue;
      dut_.stage_i |= 1 << stage;
      const Row& row = *stages_[stage];
      if (stage == 0) {
        dut_.direct_i = row.direct;
        dut_.high_byte_i = row.high_byte;
        dut_.low_byte_i = row.low_byte;
        dut_.log2_weight_bits_i = static_cast<std::uint8_t>(row.log2_weight_bits);
        dut_.rowsum_i = row.rowsum;
      }
      if (stage == 2) dut_.sum_on_i = row.sum_on;
      if (stage == 3) dut_.choose_i = row.choose;
      for (int f = 0; f < kF; ++f) {
        const Requantization& r = row.parameters[f];
        if (stage == 0) put(dut_.acc_i.data(), 32 * f, 32, row.acc[f]);
        if (stage == 0) put(dut_.channel_i.data(), 32 * f, 32, row.channel[f]);
        if (stage == 1) put(dut_.parameters_i.data(), 72 * f + 50, 16, r.multiplier);
        if (stage == 2) put(dut_.bias_i.data(), 50 * f, 50, r.bias);
        if (stage == 3) put(&dut_.shift_i, 6 * f, 6, r.shift);
      }
    }
  }

  /// The lane's result, cut to the range of the golden functions.
  std::int32_t result(int f) const {
    const std::uint64_t word = dut_.halves_o[2 * f] | std::uint64_t{dut_.halves_o[2 * f + 1]} << 32;
    const std::int64_t value = static_cast<std::int64_t>(word) >> 1;
    return static_cast<std::int32_t>(std::clamp<std::int64_t>(value, kWhole.low, kWhole.high));
  }

  Vrequantizer dut_;
  std::mt19937_64 random_{1};
  std::deque<Row> rows_;
  std::array<std::optional<Row>, 4> stages_;
};

TEST_F(Requantizers, give_the_golden_results_of_rows_of_every_kind) {
  int results = 0;
  while (results < 20'000) {
    if (rows_.empty()) append_result();
    for (int stage = 3; stage > 0; --stage) stages_[stage] = stages_[stage - 1];
    stages_[0].reset();
    if (between(0, 3)) {
      stages_[0] = rows_.front();
      rows_.pop_front();
    }
    drive();
    clock(dut_);
    if (!stages_[3] || !stages_[3]->expected) continue;
    ++results;
    for (int f = 0; f < kF; ++f) {
      ASSERT_EQ(result(f), (*stages_[3]->expected)[f]) << "lane " << f << " of result " << results;
    }
  }
}

}  // namespace
}  // namespace bitloop::rtl_test
