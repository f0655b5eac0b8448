#include "host/driver/self_test.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/base/error.h"
#include "host/device/registers.h"
#include "tests/host/program/emulator.h"

namespace bitloop::host::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::ThrowsMessage;

/// An emulator with one bit that sticks.
class StuckDevice : public Emulator {
 public:
  using Emulator::Emulator;
  void read_memory(Address address, std::span<std::byte> bytes) override {
    Emulator::read_memory(address, bytes);
    if (address <= stuck && stuck < address + bytes.size()) bytes[stuck - address] |= std::byte{4};
  }
  Address stuck = ~Address{0};
};

class SelfTest : public testing::Test {
 protected:
  HardwareInfo info_;
  StuckDevice device_{info_};
  std::vector<TestCase> cases_ = test_cases();
};

TEST_F(SelfTest, a_sound_device_passes_every_case) {
  Driver driver(device_);
  for (const TestCase& test : cases_) {
    const TestRun run = run_case(driver, test, info_);
    EXPECT_FALSE(run.tensors.empty()) << test.name;
    EXPECT_EQ(fault_of(run, test, info_), "") << test.name;
  }
}

TEST_F(SelfTest, a_wrong_code_is_told_with_its_place) {
  Driver driver(device_);
  const TestCase& test = cases_.front();
  TestRun run = run_case(driver, test, info_);
  run.tensors.back().codes.at(3) ^= 1;
  EXPECT_THAT(fault_of(run, test, info_), HasSubstr("code 3 of tensor"));
  HardwareInfo counts_only;
  counts_only.computes = false;
  EXPECT_EQ(fault_of(run, test, counts_only), "");
}

TEST_F(SelfTest, counters_that_contradict_each_other_are_told) {
  Driver driver(device_);
  const TestCase& test = cases_.front();
  TestRun run = run_case(driver, test, info_);
  run.measurement.segments.front()[registers::kCounterCycles] = 1;
  EXPECT_THAT(fault_of(run, test, info_), HasSubstr("counter cycles"));
  run = run_case(driver, test, info_);
  run.measurement.total[1] = 1;  // array_active
  EXPECT_THAT(fault_of(run, test, info_), HasSubstr("binary_macs is 0, not 8192 times 1"));
}

TEST_F(SelfTest, memory_that_keeps_its_bytes_has_a_speed) {
  const LinkSpeed speed = measure_link(device_);
  EXPECT_GT(speed.round_trip_us, 0);
  EXPECT_GT(speed.write_mb_per_s, 0);
  EXPECT_GT(speed.read_mb_per_s, 0);
  EXPECT_GT(speed.bytes, 0u);
}

TEST_F(SelfTest, memory_that_does_not_keep_its_bytes_is_told_with_the_address) {
  device_.stuck = 0x8001;
  EXPECT_THAT([&] { measure_link(device_); }, ThrowsMessage<DeviceError>(HasSubstr("memory at 0x8001")));
}

TEST(DeviceComparison, work_counts_and_time_does_not) {
  Counters a{};
  Counters b{};
  a[registers::kCounterCycles] = 1;
  a[registers::kCounterCount - 1] = 64;  // binary_macs
  EXPECT_THAT(different_counters(a, b), ElementsAre("binary_macs"));
  b[registers::kCounterCount - 1] = 64;
  EXPECT_THAT(different_counters(a, b), IsEmpty());
}

TEST(DeviceComparison, jobs_go_where_the_parameters_are_the_same) {
  HardwareInfo a;
  HardwareInfo b;
  b.memory = "another";
  b.fingerprint = "another";
  EXPECT_TRUE(same_parameters(a, b));
  for (int HardwareInfo::*parameter : {&HardwareInfo::weight_rows, &HardwareInfo::channel_lanes}) {
    HardwareInfo c = b;
    c.*parameter /= 2;
    EXPECT_FALSE(same_parameters(a, c));
  }
}

}  // namespace
}  // namespace bitloop::host::test
