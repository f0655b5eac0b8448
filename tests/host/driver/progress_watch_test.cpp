#include "host/driver/progress_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/device/registers.h"
#include "tests/host/program/emulator.h"

namespace bitloop::host::test {
namespace {

using testing::HasSubstr;

/// Shows `counters` once a snapshot is asked for.
class CountingDevice : public Emulator {
 public:
  CountingDevice() : Emulator(HardwareInfo{}, EmulatorOptions{}) {}

  void write_register(std::uint32_t offset, std::uint32_t value) override {
    if (offset == registers::kControl && value == 2) latched_ = counters;
  }
  std::uint32_t read_register(std::uint32_t offset) override {
    const std::size_t word = (offset - registers::kCounters) / 4;
    return static_cast<std::uint32_t>(latched_.at(word / 2) >> (word % 2 * 32));
  }

  Counters counters{};

 private:
  Counters latched_{};
};

TEST(ProgressWatch, says_nothing_while_any_work_is_counted) {
  CountingDevice device;
  ProgressWatch watch(device);
  for (const std::size_t work : {registers::kCounterReadBeats, registers::kCounterArrayActive,
                                 registers::kCounterPoolActive, registers::kCounterActivationWrites}) {
    device.counters[work] += std::uint64_t{1} << 32;  // the high word counts, too
    watch.look();
    EXPECT_EQ(watch.standstill(), "");
  }
  device.counters[registers::kCounterDescriptors] = 7;
  watch.look();
  EXPECT_EQ(watch.instructions(), 7);
}

TEST(ProgressWatch, names_what_waits_where_only_waiting_is_counted) {
  CountingDevice device;
  ProgressWatch watch(device);
  device.counters[registers::kCounterReadBeats] = 5;
  watch.look();
  for (const std::size_t wait :
       {registers::kCounterCycles, registers::kCounterStallLoad, registers::kCounterStoreBusy}) {
    device.counters[wait] += 1000;
  }
  watch.look();
  EXPECT_EQ(watch.standstill(),
            "waiting: the compute engine for a load, the store engine, whose instruction does not end");
}

TEST(ProgressWatch, tells_a_job_that_never_began_or_whose_end_is_not_told) {
  CountingDevice device;
  ProgressWatch watch(device);
  watch.look();
  EXPECT_THAT(watch.standstill(), HasSubstr("no cycle is counted"));
}

}  // namespace
}  // namespace bitloop::host::test
