#include "host/driver/pool.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <stdexcept>

#include "host/base/error.h"
#include "host/compiler/compiler.h"
#include "tests/host/network/random_cases.h"
#include "tests/host/program/emulator.h"

namespace bitloop::host::test {
namespace {

using std::chrono::milliseconds;
using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Lt;
using testing::Not;
using testing::SizeIs;
using testing::ThrowsMessage;

/// What goes wrong with a member, counted over all times that it is opened.
struct Fate {
  std::atomic<int> lost_openings{0};  ///< so many more openings find nobody
  std::atomic<int> lost_runs{0};      ///< so many more jobs are cut off
  std::atomic<int> hanging_runs{0};   ///< so many more jobs do not end
  std::atomic<int> killed_every{0};   ///< every so many-th register access is the device's last (0: none)
  std::atomic<int> openings{0};
  std::atomic<int> runs{0};
  std::atomic<int> accesses{0};
  std::atomic<bool> defect{false};  ///< waiting fails with a foreign exception
};

class FatedDevice : public Emulator {
 public:
  FatedDevice(const HardwareInfo& info, Fate& fate) : Emulator(info), fate_(fate) {}

  std::uint32_t read_register(std::uint32_t offset) override {
    const int every = fate_.killed_every;
    if (every != 0 && ++fate_.accesses % every == 0) killed_ = true;
    if (killed_) throw DeviceLost("the connection was cut");
    return Emulator::read_register(offset);
  }
  bool wait_done(std::uint32_t sequence, Cycles limit) override {
    ++fate_.runs;
    if (fate_.defect) throw std::runtime_error("a defect");
    if (fate_.lost_runs > 0 && fate_.lost_runs-- > 0) throw DeviceLost("the board went away");
    if (fate_.hanging_runs > 0 && fate_.hanging_runs-- > 0) return false;
    return Emulator::wait_done(sequence, limit);
  }
  void reset() override {
    if (killed_) throw DeviceLost("nobody answers");
    Emulator::reset();
  }

 private:
  Fate& fate_;
  bool killed_ = false;
};

/// Failures of a member until its work is given up: the driver persists before the pool does.
constexpr int kLostForGood = 1'000'000;

class PoolTest : public testing::Test {
 protected:
  DevicePool::Member member(const std::string& name, const HardwareInfo& info = {}) {
    Fate& fate = fates_[name];
    return {name, [&fate, info, name]() -> std::unique_ptr<Device> {
              ++fate.openings;
              if (fate.lost_openings > 0 && fate.lost_openings-- > 0) {
                throw DeviceLost(name + ": nobody answers");
              }
              return std::make_unique<FatedDevice>(info, fate);
            }};
  }

  DevicePool pool(std::initializer_list<const char*> names) {
    std::vector<DevicePool::Member> members;
    for (const char* name : names) members.push_back(member(name));
    return DevicePool(std::move(members), patience_);
  }

  /// The network's result on an image.
  std::vector<std::int32_t> result(Driver& driver, int image) {
    driver.load(job_);
    driver.run(images_.at(static_cast<std::size_t>(image)));
    return driver.read_tensor(job_->tensors.back()).codes;
  }

  static std::size_t works(const DevicePool& devices) {
    std::size_t works = 0;
    for (const auto& state : devices.states()) works += state.works;
    return works;
  }

  /// Runs all images; every result must be that of the golden functions.
  void expect_all_right(DevicePool& devices) {
    const std::size_t before = works(devices);
    std::vector<std::vector<std::int32_t>> results(images_.size());
    std::vector<std::atomic<int>> completed(images_.size());
    devices.for_each(images_.size(), [&](Driver& driver, std::size_t i) {
      results[i] = result(driver, static_cast<int>(i));
      ++completed[i];
    });
    EXPECT_EQ(works(devices) - before, images_.size());
    for (std::size_t i = 0; i < images_.size(); ++i) {
      EXPECT_EQ(completed[i], 1) << i;
      EXPECT_EQ(results[i], golden_run(network_, images_[i]).written.back().codes) << i;
    }
  }

  Network graph_ = single_layer_network("conv in=8x6x6 out=8 kernel=3 stride=1 pad=1");
  QuantizedNetwork network_ = random_quantization(graph_, uniform_policy(graph_, 2, 2), 1);
  std::shared_ptr<const Job> job_ = std::make_shared<const Job>(compile(network_, HardwareInfo{}));
  std::vector<std::vector<std::uint8_t>> images_ = [] {
    std::mt19937_64 random(1);
    std::vector<std::vector<std::uint8_t>> images;
    for (int i = 0; i < 40; ++i) images.push_back(random_input({8, 6, 6}, 2, random));
    return images;
  }();
  PoolPatience patience_{.first_pause = milliseconds(1), .longest_pause = milliseconds(4), .tries = 6};
  std::map<std::string, Fate> fates_;
};

TEST_F(PoolTest, several_devices_give_what_one_gives) {
  auto devices = pool({"tcp://a", "tcp://b", "tcp://c"});
  expect_all_right(devices);
}

TEST_F(PoolTest, devices_are_opened_as_they_are_needed_and_kept) {
  auto devices = pool({"tcp://a", "tcp://b"});
  EXPECT_EQ(fates_["tcp://a"].openings, 0);
  EXPECT_EQ(devices.hardware().name, HardwareInfo{}.name);
  for (int i = 0; i < 5; ++i) devices.run([&](Driver& driver) { result(driver, i); });
  EXPECT_EQ(fates_["tcp://a"].openings, 1);
  EXPECT_EQ(fates_["tcp://b"].openings, 0);
}

TEST_F(PoolTest, a_job_that_fails_on_one_device_runs_on_another) {
  fates_["tcp://a"].lost_runs = kLostForGood;
  auto devices = pool({"tcp://a", "tcp://b"});
  std::vector<std::string> notes;
  devices.tell([&](const std::string& note) { notes.push_back(note); });
  expect_all_right(devices);
  const auto states = devices.states();
  EXPECT_TRUE(states[0].aside);
  EXPECT_EQ(states[0].works, 0u);
  EXPECT_THAT(states[0].reason, HasSubstr("went away"));
  EXPECT_FALSE(states[1].aside);
  EXPECT_THAT(notes, ElementsAre(AllOf(HasSubstr("tcp://a: the board went away"))));
}

TEST_F(PoolTest, a_device_that_was_set_aside_is_tried_again) {
  fates_["tcp://a"].lost_runs = Driver::kAttempts;  // one work
  auto devices = pool({"tcp://a"});
  expect_all_right(devices);
  EXPECT_EQ(fates_["tcp://a"].openings, 2);
  EXPECT_EQ(devices.states()[0].failures, 1u);
  EXPECT_FALSE(devices.states()[0].aside);
}

TEST_F(PoolTest, devices_that_are_killed_all_the_time_still_do_every_work_once) {
  for (const char* name : {"tcp://a", "tcp://b", "tcp://c", "tcp://d"}) fates_[name].killed_every = 191;
  auto devices = pool({"tcp://a", "tcp://b", "tcp://c", "tcp://d"});
  expect_all_right(devices);
  std::size_t failures = 0;
  for (const auto& state : devices.states()) failures += state.failures;
  EXPECT_GT(failures, 0u);
}

TEST_F(PoolTest, a_device_that_is_not_there_at_the_beginning_is_an_error_at_once) {
  fates_["tcp://a"].lost_openings = kLostForGood;
  fates_["tcp://b"].lost_openings = kLostForGood;
  auto devices = pool({"tcp://a", "tcp://b"});
  EXPECT_THAT([&] { devices.hardware(); },
              ThrowsMessage<DeviceError>(AllOf(HasSubstr("tcp://a: nobody"), HasSubstr("tcp://b: nobody"))));
  EXPECT_THAT([&] { devices.run([](Driver&) { FAIL(); }); }, testing::Throws<DeviceError>());
  EXPECT_EQ(fates_["tcp://a"].openings, 2);
}

TEST_F(PoolTest, a_member_that_is_not_there_is_no_error_while_another_is) {
  fates_["tcp://a"].lost_openings = kLostForGood;
  auto devices = pool({"tcp://a", "tcp://b"});
  std::vector<std::string> notes;
  devices.tell([&](const std::string& note) { notes.push_back(note); });
  EXPECT_EQ(devices.hardware().pixels, HardwareInfo{}.pixels);
  EXPECT_THAT(notes, ElementsAre(HasSubstr("tcp://a: nobody answers")));
  expect_all_right(devices);
}

TEST_F(PoolTest, devices_that_are_gone_for_good_end_with_every_reason) {
  auto devices = pool({"tcp://a", "tcp://b"});
  devices.run([&](Driver& driver) { result(driver, 0); });
  fates_["tcp://a"].lost_runs = kLostForGood;
  fates_["tcp://b"].lost_openings = kLostForGood;
  EXPECT_THAT([&] { devices.run([&](Driver& driver) { result(driver, 0); }); },
              ThrowsMessage<DeviceError>(
                  AllOf(HasSubstr("tcp://a: the board went away"), HasSubstr("tcp://b: nobody"))));
  EXPECT_EQ(fates_["tcp://b"].openings, patience_.tries);
  for (const auto& state : devices.states()) EXPECT_TRUE(state.aside);
}

TEST_F(PoolTest, a_device_that_comes_back_in_time_is_waited_for) {
  auto devices = pool({"tcp://a"});
  devices.run([&](Driver& driver) { result(driver, 0); });
  fates_["tcp://a"].lost_runs = Driver::kAttempts;
  fates_["tcp://a"].lost_openings = patience_.tries - 2;
  expect_all_right(devices);
}

TEST_F(PoolTest, a_job_that_hangs_everywhere_is_given_up_after_the_second_device) {
  for (const char* name : {"tcp://a", "tcp://b", "tcp://c"}) fates_[name].hanging_runs = kLostForGood;
  auto devices = pool({"tcp://a", "tcp://b", "tcp://c"});
  EXPECT_THROW(devices.run([&](Driver& driver) { result(driver, 0); }), DeviceTimeout);
  EXPECT_EQ(fates_["tcp://a"].runs + fates_["tcp://b"].runs + fates_["tcp://c"].runs, 2);
}

TEST_F(PoolTest, a_device_that_hangs_has_its_job_run_elsewhere) {
  fates_["tcp://a"].hanging_runs = 1;
  auto devices = pool({"tcp://a", "tcp://b"});
  expect_all_right(devices);
  EXPECT_THAT(devices.states()[0].reason, HasSubstr("stands still"));
}

TEST_F(PoolTest, another_fingerprint_is_refused_with_both_before_it_runs_anything) {
  HardwareInfo info;
  info.fingerprint = "1111";
  HardwareInfo other;
  other.fingerprint = "2222";
  DevicePool devices({member("tcp://a", info), member("tcp://b", other)}, patience_);
  devices.run([](Driver&) {});
  EXPECT_THAT(
      [&] {
        devices.run([&](Driver&) { devices.run([](Driver&) { FAIL(); }); });  // a is busy
      },
      ThrowsMessage<DeviceError>(
          AllOf(HasSubstr("tcp://b has fingerprint 2222"), HasSubstr("tcp://a has 1111"))));
  EXPECT_EQ(fates_["tcp://b"].runs, 0);
}

TEST_F(PoolTest, a_device_that_comes_back_as_another_one_is_set_aside) {
  HardwareInfo info;
  info.fingerprint = "1111";
  auto first = member("tcp://a", info);
  info.fingerprint = "2222";
  auto later = member("tcp://a", info);
  bool restarted = false;
  DevicePool devices(
      {{"tcp://a", [&] { return std::exchange(restarted, true) ? later.open() : first.open(); }},
       member("tcp://b", first.open()->info())},
      patience_);
  fates_["tcp://a"].lost_runs = Driver::kAttempts;
  expect_all_right(devices);
  EXPECT_EQ(devices.states()[0].works, 0u);
}

TEST_F(PoolTest, what_else_a_work_throws_is_passed_on_and_the_device_stays) {
  auto devices = pool({"tcp://a"});
  EXPECT_THAT([&] { devices.run([](Driver&) { throw InputError("bad input"); }); },
              ThrowsMessage<InputError>("bad input"));
  fates_["tcp://a"].defect = true;
  EXPECT_THROW(devices.run([&](Driver& driver) { result(driver, 0); }), std::runtime_error);
  fates_["tcp://a"].defect = false;
  devices.run([&](Driver& driver) { result(driver, 0); });
  EXPECT_EQ(fates_["tcp://a"].openings, 1);
  EXPECT_EQ(devices.states()[0].failures, 0u);
}

TEST_F(PoolTest, the_first_exception_ends_a_loop) {
  auto devices = pool({"tcp://a", "tcp://b"});
  std::atomic<int> works{0};
  EXPECT_THROW(devices.for_each(1000,
                                [&](Driver&, std::size_t) {
                                  ++works;
                                  throw InputError("bad input");
                                }),
               InputError);
  EXPECT_THAT(works.load(), Lt(1000));
}

TEST_F(PoolTest, a_pool_of_one_kind_has_as_many_as_it_is_told) {
  const DevicePool three("same", member("tcp://a").open, 3);
  EXPECT_EQ(three.size(), 3);
  EXPECT_THAT(three.states(), AllOf(SizeIs(3), Each(testing::Field(&DevicePool::State::name, "same"))));
  EXPECT_GT(DevicePool("same", member("tcp://a").open).size(), 0);
  EXPECT_THROW(DevicePool({}, patience_), InputError);
}

}  // namespace
}  // namespace bitloop::host::test
