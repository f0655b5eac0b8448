// The counters alone, against a model that counts every event of every cycle: records, the latched words of a
// job's end, and snapshots at any time.
#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "Vcounters.h"
#include "host/device/registers.h"
#include "tests/rtl/clock.h"

namespace bitloop::rtl_test {
namespace {

namespace registers = host::registers;
constexpr int kP = 4, kF = 8;  // as the build sets them
constexpr std::size_t kCount = registers::kCounterCount;
constexpr std::size_t kSweep = 32;     // cycles, and words of a record
constexpr int kLongestSnapshot = 128;  // cycles, as counters.sv says
using Totals = std::array<std::uint64_t, kCount>;

/// Counted as many cycles late as their turn comes: the states, and what a record's own words cause.
bool is_delayed(std::size_t counter) {
  return counter == registers::kCounterCycles || registers::kCounterIsState[counter] ||
         counter == registers::kCounterWriteBeats || counter == registers::kCounterWriteBursts;
}

class Counters : public ::testing::Test {
 protected:
  Counters() { reset(dut_); }

  int chance(unsigned percent) { return random_() % 100 < percent; }

  /// Events of one cycle, each with this chance; `resting`: only those that may occur while a record is
  /// written.
  void draw_events(unsigned percent, bool resting) {
    const auto event = [&] { return static_cast<std::uint8_t>(chance(percent)); };
    const auto engine = [&] { return static_cast<std::uint8_t>(!resting && chance(percent)); };
    const unsigned unit = random_() % 3;
    dut_.array_active_i = engine() && unit == 0;
    dut_.pool_active_i = engine() && unit == 1;
    dut_.channel_active_i = engine() && unit == 2;
    dut_.stall_drain_i = event();
    dut_.stall_fetch_i = event();
    dut_.stall_load_i = event();
    dut_.stall_store_i = event();
    dut_.drain_busy_i = event();
    dut_.load_busy_i = engine();
    dut_.store_busy_i = engine();
    dut_.requantize_i = engine();
    dut_.activation_reads_i = static_cast<std::uint8_t>(resting ? 0 : random_() % (kP + 2));
    dut_.activation_writes_i = static_cast<std::uint8_t>(resting ? 0 : random_() % (kP + 2));
    if (!resting && chance(percent)) dut_.activation_reads_i = dut_.activation_writes_i = kP + 1;
    dut_.weight_read_i = engine();
    dut_.weight_write_i = engine();
    dut_.read_beat_i = engine();
    dut_.read_burst_i = engine();
    dut_.write_beat_i = event();
    dut_.write_burst_i = event();
    dut_.descriptor_i = engine();
  }

  /// The state of this cycle: the first that holds.
  std::size_t state() const {
    using namespace registers;
    if (dut_.array_active_i) return kCounterArrayActive;
    if (dut_.pool_active_i) return kCounterPoolActive;
    if (dut_.channel_active_i) return kCounterChannelActive;
    if (dut_.stall_drain_i) return kCounterStallDrain;
    if (dut_.stall_fetch_i) return kCounterStallFetch;
    if (dut_.stall_load_i) return kCounterStallLoad;
    if (dut_.stall_store_i) return kCounterStallStore;
    if (dut_.drain_busy_i) return kCounterDrainOnly;
    if (dut_.load_busy_i) return kCounterLoadOnly;
    return dut_.store_busy_i ? kCounterStoreOnly : kCounterSequencing;
  }

  /// Adds what occurs in this cycle.
  void count(Totals& totals) const {
    using namespace registers;
    ++totals[kCounterCycles];
    ++totals[state()];
    totals[kCounterLoadBusy] += dut_.load_busy_i;
    totals[kCounterStoreBusy] += dut_.store_busy_i;
    totals[kCounterRequantizeOps] += kF * dut_.requantize_i;
    totals[kCounterActivationReads] += dut_.activation_reads_i;
    totals[kCounterActivationWrites] += dut_.activation_writes_i;
    totals[kCounterWeightReads] += kF * dut_.weight_read_i;
    totals[kCounterWeightWrites] += dut_.weight_write_i;
    totals[kCounterReadBeats] += dut_.read_beat_i;
    totals[kCounterWriteBeats] += dut_.write_beat_i;
    totals[kCounterReadBursts] += dut_.read_burst_i;
    totals[kCounterWriteBursts] += dut_.write_burst_i;
    totals[kCounterDescriptors] += dut_.descriptor_i;
    totals[kCounterBinaryMacs] += 64 * kP * kF * dut_.array_active_i;
  }

  /// One cycle, with the inputs as they are.
  void tick() {
    history_.push_back(history_.back());
    if (dut_.run_i) count(history_.back());
    if (dut_.clear_i) history_.assign(1, {});
    const bool asked = dut_.snapshot_i;
    clock(dut_);
    snapshot_cycles_ = dut_.snapshot_busy_o && !asked ? snapshot_cycles_ + 1 : 0;
    EXPECT_LE(snapshot_cycles_, kLongestSnapshot);
    dut_.clear_i = dut_.take_i = dut_.latch_i = dut_.step_i = dut_.snapshot_i = 0;
  }

  /// A job's first cycle, in which what occurs does not count.
  void start() {
    dut_.run_i = 0;
    dut_.clear_i = 1;
    draw_events(50, false);
    tick();
    dut_.run_i = 1;
    taken_ = {};
  }

  void run(int cycles, unsigned percent) {
    for (int i = 0; i < cycles; ++i) {
      draw_events(percent, false);
      tick();
    }
  }

  /// A take, and the record's words as fast as a memory takes them; `last`: of the job, which has no record.
  void take(bool last) {
    const Totals before = history_.back();
    dut_.run_i = !last;
    dut_.take_i = 1;
    dut_.latch_i = last;
    for (int i = 0; i < 2; ++i) {  // the record is asked for in the next cycle
      draw_events(50, true);
      tick();
    }
    const unsigned percent = random_() % 100 + 1;
    for (std::size_t word = 0; word < kSweep; tick()) {
      const std::uint64_t expected = word < kCount ? before[word] - taken_[word] : 0;
      EXPECT_EQ(dut_.word_o, last ? dut_.word_o : expected) << "word " << word;
      draw_events(50, true);
      dut_.step_i = last || chance(percent);
      word += dut_.step_i;
    }
    taken_ = before;
  }

  /// As registers read them; the engines rest.
  Totals latched() {
    Totals totals;
    for (std::size_t i = 0; i < kCount; ++i) {
      dut_.index_i = static_cast<std::uint8_t>(i);
      draw_events(50, true);
      tick();
      totals[i] = dut_.latched_o;
    }
    return totals;
  }

  /// Asks for a snapshot, runs on until it is there, and compares it with the cycles that its sweep began in.
  void expect_consistent_snapshot(unsigned percent) {
    dut_.snapshot_i = 1;
    run(1, percent);
    EXPECT_TRUE(dut_.snapshot_busy_o);
    while (dut_.snapshot_busy_o) run(1, percent);
    Totals totals;
    for (std::size_t i = 0; i < kCount; ++i) {
      dut_.index_i = static_cast<std::uint8_t>(i);
      run(1, percent);
      totals[i] = dut_.latched_o;
    }
    const std::uint64_t began = totals[registers::kCounterCycles];
    ASSERT_LT(began + kCount, history_.size());
    for (std::size_t i = 0; i < kCount; ++i) {
      EXPECT_EQ(totals[i], history_[began + (is_delayed(i) ? 0 : i)][i])
          << "counter " << i << " at cycle " << began;
    }
  }

  Vcounters dut_;
  std::mt19937 random_{1};
  std::vector<Totals> history_ = std::vector<Totals>(1);  ///< before each cycle since START
  Totals taken_{};
  int snapshot_cycles_ = 0;
};

TEST_F(Counters, records_hold_what_occurred_between_takes_and_the_end_latches_the_job) {
  for (int job = 0; job < 200; ++job) {
    start();
    const unsigned segments = 1 + random_() % 5;
    for (unsigned segment = 0; segment < segments; ++segment) {
      // of all lengths, so that a take comes at any turn of a sweep; now and then with an event in every
      // cycle
      run(34 + static_cast<int>(random_() % 200), segment % 3 == 0 ? 100 : random_() % 101);
      take(false);
    }
    const Totals whole = history_.back();
    take(true);
    EXPECT_EQ(latched(), whole) << "job " << job;
  }
}

TEST_F(Counters, a_snapshot_is_of_one_cycle_but_for_the_words_that_events_cause) {
  for (int job = 0; job < 100; ++job) {
    start();
    for (int i = 0; i < 5; ++i) {
      run(static_cast<int>(random_() % 100), 50);
      expect_consistent_snapshot(random_() % 101);
    }
  }
}

TEST_F(Counters, a_snapshot_that_meets_takes_and_starts_comes_all_the_same_and_changes_no_record) {
  for (int job = 0; job < 200; ++job) {
    dut_.run_i = 0;
    dut_.snapshot_i = 1;
    for (unsigned i = random_() % 70; i > 0; --i) tick();
    start();
    const auto meet = [&] { dut_.snapshot_i = chance(5); };
    for (int segment = 0; segment < 3; ++segment) {
      for (int i = 34 + static_cast<int>(random_() % 100); i > 0; --i) {
        meet();
        run(1, 50);
      }
      meet();
      take(false);
    }
    meet();
    const Totals whole = history_.back();
    take(true);
    while (dut_.snapshot_busy_o) tick();
    EXPECT_EQ(latched(), whole) << "job " << job;
  }
}

}  // namespace
}  // namespace bitloop::rtl_test
