#include "host/driver/driver.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "host/compiler/compiler.h"
#include "host/device/registers.h"
#include "tests/host/network/random_cases.h"
#include "tests/host/program/emulator.h"

namespace bitloop::host::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

/// An emulator with one defect at a time.
class FaultyDevice : public Emulator {
 public:
  using Emulator::Emulator;

  std::uint32_t read_register(std::uint32_t offset) override {
    if (offset == registers::kId && wrong_id) return 0x12345678;
    if (offset == registers::kRegmapHash && older_map) return 0x12345678;
    if (offset == registers::kVersion && older_map) return registers::kRegmapVersion - 1;
    if (offset == registers::kDescriptorVersion && older_descriptors)
      return registers::kDescriptorVersionValue - 1;
    if (offset == registers::kStatus && busy) return 1;
    return Emulator::read_register(offset);
  }
  bool wait_done(std::uint32_t sequence, Cycles limit) override {
    if (defect) throw std::runtime_error("first");
    return !hangs && Emulator::wait_done(sequence, limit);
  }
  void reset() override {
    ++resets;
    if (defect) throw std::runtime_error("second");
    busy = false;
    Emulator::reset();
  }

  bool wrong_id = false;
  bool older_map = false;
  bool older_descriptors = false;
  bool hangs = false;
  bool busy = false;
  bool defect = false;  ///< waiting and resetting fail, each with a foreign exception
  int resets = 0;
};

class DriverTest : public testing::Test {
 protected:
  QuantizedNetwork network_ =
      random_quantization(zoo_network("lenet"), uniform_policy(zoo_network("lenet"), 2, 2), 1);
  Job job_ = compile(network_, HardwareInfo{});
  FaultyDevice device_{HardwareInfo{}, EmulatorOptions{Interleaving::program_order, job_.bytes + kPageBytes}};
  std::mt19937_64 random_{1};
  std::vector<std::uint8_t> image_ = random_input({1, 28, 28}, 8, random_);
};

TEST_F(DriverTest, a_resident_job_runs_image_after_image) {
  Driver driver(device_);
  driver.load(job_);
  for (int i = 0; i < 3; ++i) {
    image_ = random_input({1, 28, 28}, 8, random_);
    EXPECT_EQ(driver.run(image_).segments.size(), job_.segments.size());
    EXPECT_EQ(driver.read_tensor(job_.tensors.back()), golden_run(network_, image_).written.back());
  }
  EXPECT_EQ(device_.resets, 0);
}

TEST_F(DriverTest, devices_of_older_formats_are_refused_with_both_versions) {
  const auto refused_with = [&](const std::string& theirs, const std::string& ours) {
    EXPECT_THAT(
        [&] { Driver driver(device_); },
        ThrowsMessage<DeviceError>(AllOf(HasSubstr(theirs), HasSubstr(ours), HasSubstr("same sources"))));
  };
  device_.older_map = true;
  refused_with(fmt::format("register map has version {}, hash 0x12345678", registers::kRegmapVersion - 1),
               fmt::format("this program's version {}, hash {:#010x}", registers::kRegmapVersion,
                           registers::kRegmapHashValue));
  device_.older_map = false;
  device_.older_descriptors = true;
  refused_with(fmt::format("descriptors of version {}", registers::kDescriptorVersionValue - 1),
               fmt::format("of version {};", registers::kDescriptorVersionValue));
  device_.wrong_id = true;
  EXPECT_THROW(Driver{device_}, DeviceError);
}

TEST_F(DriverTest, a_job_that_does_not_fit_is_refused) {
  FaultyDevice small(HardwareInfo{},
                     EmulatorOptions{Interleaving::program_order, job_.bytes + kPageBytes - 1});
  Driver driver(small);
  EXPECT_THROW(driver.load(job_), DeviceError);
  Job other = job_;
  other.filters = 8;
  EXPECT_THROW(Driver(device_).load(other), DeviceError);
  other = job_;
  other.bytes = Address{1} << 62;
  EXPECT_THROW(Driver(device_).load(other), InputError);
  other = job_;
  other.blocks[0].offset = job_.bytes - 1;
  EXPECT_THROW(Driver(device_).load(other), InputError);
}

TEST_F(DriverTest, a_job_for_other_srams_is_refused_with_both_sizes) {
  const auto expect_refused = [&](int HardwareInfo::*size, int value) {
    HardwareInfo info;
    const int compiled_for = info.*size;
    info.*size = value;
    FaultyDevice other(info, EmulatorOptions{Interleaving::program_order, job_.bytes + kPageBytes});
    try {
      Driver(other).load(job_);
      ADD_FAILURE() << value << " instead of " << compiled_for;
    } catch (const DeviceError& error) {
      EXPECT_THAT(error.what(), testing::AllOf(testing::HasSubstr(fmt::format("{}", value)),
                                               testing::HasSubstr(fmt::format("{}", compiled_for))));
    }
  };
  expect_refused(&HardwareInfo::activation_rows, 4095);
  expect_refused(&HardwareInfo::weight_rows, 1023);
  expect_refused(&HardwareInfo::parameter_slots, 63);
  expect_refused(&HardwareInfo::staging_words, 2048);
  expect_refused(&HardwareInfo::staging_words, 8192);
}

TEST_F(DriverTest, a_job_runs_where_srams_are_larger) {
  HardwareInfo info;
  info.activation_rows *= 2;
  info.weight_rows *= 2;
  info.parameter_slots *= 2;
  FaultyDevice larger(info, EmulatorOptions{Interleaving::program_order, job_.bytes + kPageBytes});
  Driver driver(larger);
  driver.load(job_);
  driver.run(image_);
  EXPECT_EQ(driver.read_tensor(job_.tensors.back()), golden_run(network_, image_).written.back());
}

TEST_F(DriverTest, a_job_that_never_ends_times_out_and_the_next_one_runs) {
  Driver driver(device_);
  driver.load(job_);
  device_.hangs = true;
  EXPECT_THROW(driver.run(image_, 1000), DeviceTimeout);
  EXPECT_EQ(device_.resets, 1);
  device_.hangs = false;
  driver.run(image_);
  EXPECT_EQ(driver.read_tensor(job_.tensors.back()), golden_run(network_, image_).written.back());
}

TEST_F(DriverTest, a_hardware_error_is_named_and_the_next_job_runs) {
  Driver driver(device_);
  Job broken = job_;
  broken.blocks.back().bytes[64] = std::byte{0x7f};  // the first instruction's opcode
  driver.load(broken);
  try {
    driver.run(image_);
    FAIL();
  } catch (const DeviceError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("illegal descriptor"));
  }
  EXPECT_EQ(device_.resets, 1);
  driver.load(job_);
  driver.run(image_);
  EXPECT_EQ(driver.read_tensor(job_.tensors.back()), golden_run(network_, image_).written.back());
}

TEST_F(DriverTest, a_device_that_a_killed_client_left_busy_is_reset_first) {
  device_.busy = true;
  Driver driver(device_);
  EXPECT_EQ(device_.resets, 1);
}

TEST_F(DriverTest, a_device_that_a_killed_client_left_with_an_error_is_reset_first) {
  device_.write_register(registers::kStart, 1);  // memory without descriptors
  ASSERT_NE(device_.read_register(registers::kError), 0u);
  Driver driver(device_);
  EXPECT_EQ(device_.resets, 1);
  driver.load(job_);
  EXPECT_NO_THROW(driver.run(image_));
}

TEST_F(DriverTest, any_exception_of_a_run_resets_the_device_and_is_the_one_reported) {
  Driver driver(device_);
  driver.load(job_);
  device_.defect = true;
  try {
    driver.run(image_);
    FAIL();
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "first");
  }
  EXPECT_EQ(device_.resets, 1);
}

TEST_F(DriverTest, wrong_images_and_missing_jobs_are_refused) {
  Driver driver(device_);
  EXPECT_THROW(driver.run(image_), DeviceError);
  driver.load(job_);
  image_.pop_back();
  EXPECT_THROW(driver.run(image_), InputError);
}

TEST_F(DriverTest, a_sequence_number_that_is_already_done_is_not_used_again) {
  device_.write_register(registers::kJob, static_cast<std::uint32_t>(job_.descriptors));
  Driver driver(device_);
  driver.load(job_);
  device_.write_register(registers::kStart, 1);  // someone else's job, with the number that comes next
  driver.run(image_);
  EXPECT_NE(device_.read_register(registers::kLastDone), 1u);
}

}  // namespace
}  // namespace bitloop::host::test
