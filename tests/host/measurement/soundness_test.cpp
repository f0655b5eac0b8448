#include "host/measurement/soundness.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "host/base/error.h"
#include "host/measurement/measure.h"
#include "tests/host/program/emulator.h"

namespace bitloop::host::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

/// An emulator, one bit of whose memory may stick where jobs keep their tensors.
class StuckDevice : public Emulator {
 public:
  explicit StuckDevice(bool sound) : Emulator(HardwareInfo{}), sound_(sound) {}
  void read_memory(Address address, std::span<std::byte> bytes) override {
    Emulator::read_memory(address, bytes);
    constexpr Address kStuck = 3 * kPageBytes;
    if (!sound_ && address <= kStuck && kStuck < address + bytes.size())
      bytes[kStuck - address] ^= std::byte{4};
  }

 private:
  bool sound_;
};

class Soundness : public testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove_all(folder_); }

  SoundnessCheck check(bool sound, const std::string& key = "1234") {
    return {.name = "default",
            .key = key,
            .open =
                [this, sound] {
                  ++opened_;
                  return std::vector{std::make_shared<DevicePool>(
                      "emulated", [sound] { return std::make_unique<StuckDevice>(sound); }, 2)};
                },
            .folder = folder_,
            .note = [this](const std::string& line) { notes_.push_back(line); }};
  }

  std::filesystem::path folder_ =
      std::filesystem::path(testing::TempDir()) / fmt::format("bitloop_sound_{}", getpid());
  int opened_ = 0;
  std::vector<std::string> notes_;
};

TEST_F(Soundness, is_tested_once) {
  require_sound(check(true));
  ASSERT_EQ(notes_.size(), 1u);
  EXPECT_THAT(notes_.front(), AllOf(HasSubstr("default"), HasSubstr("passed")));
  require_sound(check(true));
  EXPECT_EQ(opened_, 1);
  require_sound(check(true, "5678"));
  EXPECT_EQ(opened_, 2);
}

TEST_F(Soundness, that_is_missing_is_told_with_network_and_layer_and_never_remembered) {
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(
        [&] { require_sound(check(false)); },
        ThrowsMessage<DeviceError>(AllOf(HasSubstr("hardware default"), HasSubstr("self-test conv 3x3 w"),
                                         HasSubstr("layer conv: code"), HasSubstr("--unchecked"))));
  }
  EXPECT_EQ(opened_, 2);
}

TEST_F(Soundness, that_cannot_be_remembered_is_tested_each_time) {
  SoundnessCheck forgetful = check(true);
  forgetful.folder.clear();
  require_sound(forgetful);
  require_sound(forgetful);
  EXPECT_EQ(opened_, 2);
}

TEST_F(Soundness, is_asked_for_before_anything_is_measured_and_not_where_all_is_remembered) {
  const auto pool = std::make_shared<DevicePool>(
      "emulated", [] { return std::make_unique<StuckDevice>(true); }, 1);
  int asked = 0;
  bool sound = false;
  pool->guard([&] {
    ++asked;
    if (!sound) throw DeviceError("wrong");
  });
  MeasurementStore store("");
  const Network network = single_layer_network("linear in=40 out=8");
  const Policy policy = uniform_policy(network, 2, 2);
  EXPECT_THROW(run_network(*pool, network, policy), DeviceError);
  const auto measure = [&] {
    SegmentMeter meter(pool, &store);
    measure_network(meter, network, policy);
  };
  EXPECT_THROW(measure(), DeviceError);
  EXPECT_EQ(asked, 2);
  sound = true;
  measure();
  EXPECT_EQ(asked, 3);
  pool->guard([&] { ++asked; });
  measure();
  EXPECT_EQ(asked, 3);
}

}  // namespace
}  // namespace bitloop::host::test
