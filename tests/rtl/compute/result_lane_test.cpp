// One bank's lane of results alone: windows pooled while the one before is written, and drained results.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "Vresult_lane.h"

namespace {

constexpr int kF = 8;               // as the build sets it
using Codes = std::array<int, 64>;  // of a block: 64 channels of 1 bit, else 32

class Lane {
 public:
  Lane() {
    lane_->rst_i = 1;
    clock();
    lane_->rst_i = 0;
  }

  Vresult_lane& pins() { return *lane_; }

  void clock() {
    lane_->clk_i = 1;
    lane_->eval();
    lane_->clk_i = 0;
    lane_->pool_valid_i = lane_->pool_load_i = lane_->drain_load_i = lane_->we_i = 0;
    lane_->eval();
  }

 private:
  std::unique_ptr<Vresult_lane> lane_ = std::make_unique<Vresult_lane>();
};

int pairs(int bits) { return std::max(1, bits / 2); }

/// Planes 2 * pair and 2 * pair + 1 of 32 channels; with 1 bit the only plane of 64.
std::uint64_t plane_word(const Codes& codes, int bits, int pair) {
  std::uint64_t word = 0;
  for (int i = 0; i < 64; ++i) {
    const int bit = bits == 1 ? codes[i] : codes[i % 32] >> (2 * pair + i / 32) & 1;
    word |= std::uint64_t(bit) << i;
  }
  return word;
}

constexpr std::uint64_t kAllGranules = (1u << 64 / kF) - 1;

TEST(result_lane, pools_a_window_while_the_one_before_is_written) {
  std::mt19937 random(1);
  Lane lane;
  bool window = false, load = false;
  std::vector<std::uint64_t> finished, writing;
  const auto next_cycle = [&] {
    if (!writing.empty()) {
      EXPECT_EQ(lane.pins().word_o, writing.front());
      EXPECT_EQ(lane.pins().mask_o, kAllGranules);
      writing.erase(writing.begin());
      lane.pins().we_i = 1;
    }
    lane.pins().pool_load_i = load;
    lane.clock();
    if (std::exchange(load, false)) writing = finished;
  };
  for (int n = 0; n < 3000; ++n) {
    const int bits = 1 << random() % 4;
    const int taps = 1 + static_cast<int>(random() % 6);
    Codes largest{};
    for (int tap = 0; tap < taps; ++tap) {
      Codes codes;
      for (int i = 0; i < 64; ++i) {
        // often equal to the largest so far, or so in its upper bits
        codes[i] = (random() % 2 ? largest[i] : 0) ^ static_cast<int>(random() % (1 << 1 + random() % bits));
        largest[i] = std::max(largest[i], codes[i]);
      }
      for (int pair = pairs(bits) - 1; pair >= 0; --pair) {
        // a window ends when the one before is written
        while (tap == taps - 1 && pair == 0 && (load || !writing.empty())) next_cycle();
        lane.pins().pool_valid_i = 1;
        lane.pins().first_tap_i = tap == 0;
        lane.pins().one_bit_i = bits == 1;
        lane.pins().pair_i = static_cast<std::uint8_t>(pair);
        lane.pins().window_i = window;
        lane.pins().word_i = plane_word(codes, bits, pair);
        next_cycle();
        while (random() % 4 == 0) next_cycle();
      }
    }
    window = !window;
    lane.pins().window_i = window;
    finished.clear();
    for (int pair = 0; pair < pairs(bits); ++pair) finished.push_back(plane_word(largest, bits, pair));
    load = true;
  }
}

TEST(result_lane, gives_a_drained_result_pair_by_pair_in_its_part_of_the_word) {
  std::mt19937 random(2);
  Lane lane;
  for (int n = 0; n < 1000; ++n) {
    const int words = 1 << random() % 3;
    const int part = static_cast<int>(random() % (32 / kF));
    lane.pins().drain_load_i = 1;
    lane.pins().fields_i = static_cast<std::uint8_t>((1 | 1 << 32 / kF) << part);
    lane.pins().mask_i = static_cast<std::uint8_t>(random());
    const int mask = lane.pins().mask_i;
    for (int word = 0; word < words; ++word) {
      // the pair of this cycle counts
      std::array<std::uint16_t, 4> pair;
      for (auto& planes : pair) planes = static_cast<std::uint16_t>(random());
      lane.pins().pair0_i = pair[0];
      lane.pins().pair1_i = pair[1];
      lane.pins().pair2_i = pair[2];
      lane.pins().pair3_i = pair[3];
      lane.pins().we_i = word > 0;
      lane.clock();
      const std::uint64_t low = pair[word] & 0xff, high = pair[word] >> 8;
      EXPECT_EQ(lane.pins().word_o, (low | high << 32) << part * kF);
      EXPECT_EQ(lane.pins().mask_o, mask);
    }
  }
}

}  // namespace
