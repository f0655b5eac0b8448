#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <random>

#include "Vburst_splitter.h"
#include "tests/rtl/clock.h"

namespace bitloop::rtl_test {
namespace {

struct Burst {
  std::uint32_t address;
  std::uint32_t beats;
  bool last;
};

TEST(BurstSplitter, covers_each_run_with_longest_bursts_inside_4_kb) {
  Vburst_splitter dut;
  std::mt19937 random(2);
  std::deque<Burst> golden;
  dut.run_valid_i = 0;
  dut.burst_ready_i = 0;
  reset(dut);
  bool offered = false;
  std::uint32_t address = 0, words = 0;
  bool last = false;
  for (int cycle = 0; cycle < 50000; ++cycle) {
    if (!offered && random() % 2) {
      offered = true;
      address = (random() % 4096) * 8;
      words = 1 + (random() % 3 ? random() % 40 : random() % 1500);
      last = random() % 2;
    }
    dut.run_valid_i = offered;
    dut.run_address_i = address;
    dut.run_words_i = words;
    dut.run_last_i = last;
    dut.burst_ready_i = random() % 4 != 0;
    dut.eval();
    if (dut.burst_valid_o) {
      ASSERT_FALSE(golden.empty());
      ASSERT_EQ(dut.burst_address_o, golden.front().address);
      ASSERT_EQ(dut.burst_length_o + 1U, golden.front().beats);
      ASSERT_EQ(dut.burst_last_o, golden.front().last);
      if (dut.burst_ready_i) golden.pop_front();
    } else {
      ASSERT_TRUE(golden.empty());
    }
    if (offered && dut.run_ready_o) {
      offered = false;
      ASSERT_TRUE(golden.empty());
      for (std::uint32_t at = address, left = words; left != 0;) {
        const std::uint32_t beats = std::min({left, 16U, (4096 - at % 4096) / 8});
        golden.push_back({at, beats, last && beats == left});
        at += 8 * beats;
        left -= beats;
      }
    }
    clock(dut);
  }
}

TEST(BurstSplitter, gives_one_burst_per_cycle_across_runs) {
  Vburst_splitter dut;
  dut.run_valid_i = 0;
  dut.burst_ready_i = 1;
  reset(dut);
  dut.run_valid_i = 1;
  dut.run_address_i = 4096 - 32;  // a boundary after 4 words: two bursts
  dut.run_words_i = 8;
  dut.run_last_i = 1;
  dut.eval();
  clock(dut);
  for (int cycle = 0; cycle < 20; ++cycle) {
    ASSERT_TRUE(dut.burst_valid_o);
    ASSERT_EQ(dut.burst_last_o, cycle % 2);
    clock(dut);
  }
}

}  // namespace
}  // namespace bitloop::rtl_test
