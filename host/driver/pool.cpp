#include "host/driver/pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "host/base/error.h"
#include "host/base/parallel.h"

namespace bitloop::host {
namespace {

using Clock = std::chrono::steady_clock;

/// A member that does not belong to the others: no reason to go on without it.
class OtherHardware : public DeviceError {
 public:
  using DeviceError::DeviceError;
};

std::vector<DevicePool::Member> equal_members(const std::string& name, const DevicePool::Open& open,
                                              int count) {
  if (count == 0) count = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  return std::vector<DevicePool::Member>(static_cast<std::size_t>(count), {name, open});
}

/// "NAME: REASON", once, and without the name's options.
std::string named(const std::string& name, const std::string& reason) {
  const std::string place = name.substr(0, name.find('?'));
  return reason.find(place) == std::string::npos ? place + ": " + reason : reason;
}

}  // namespace

/// A member. Who makes it busy owns device and driver until it is given back or set aside.
struct DevicePool::Slot {
  std::size_t index = 0;
  Open open_device;
  State state{};
  std::unique_ptr<Device> device{};
  std::unique_ptr<Driver> driver{};
  bool busy = false;
  bool was_open = false;
  int failures_in_row = 0;
  Clock::time_point again{};  ///< where it is aside: not before

  /// The smaller, the better it suits.
  [[nodiscard]] int rank() const { return state.aside ? 2 : driver == nullptr ? 1 : 0; }
};

/// What became of one work so far.
class DevicePool::Attempts {
 public:
  Attempts(std::size_t members, int most) : failures_(members), most_(most) {}

  void failed(std::size_t member) { ++failures_[member]; }
  [[nodiscard]] bool gave_up(std::size_t member) const { return failures_[member] >= most_; }

  int refusals = 0;                ///< by the hardware, not on the way to it
  std::vector<std::string> notes;  ///< of what failed while it had not failed before

 private:
  std::vector<int> failures_;  ///< per member
  int most_;
};

DevicePool::DevicePool(std::vector<Member> members, const PoolPatience& patience) : patience_(patience) {
  if (members.empty()) throw InputError("no device is named: give --device, such as sim or tcp://HOST:PORT");
  for (Member& member : members) {
    slots_.push_back(std::make_unique<Slot>(
        Slot{.index = slots_.size(), .open_device = std::move(member.open), .state = {.name = member.name}}));
  }
}

DevicePool::DevicePool(const std::string& name, const Open& open, int count)
    : DevicePool(equal_members(name, open, count)) {}

DevicePool::~DevicePool() = default;

int DevicePool::size() const { return static_cast<int>(slots_.size()); }

std::vector<DevicePool::State> DevicePool::states() const {
  const std::lock_guard lock(mutex_);
  std::vector<State> states;
  for (const auto& slot : slots_) states.push_back(slot->state);
  return states;
}

const HardwareInfo& DevicePool::hardware() {
  const auto known = [&] {
    const std::lock_guard lock(mutex_);
    return hardware_.has_value();
  };
  if (known()) return *hardware_;
  const std::lock_guard first(first_);
  if (known()) return *hardware_;
  Attempts attempts(slots_.size(), 1);
  for (const auto& slot : slots_) {  // nobody else has one yet: all come here first
    try {
      open(*slot);
      tell_failures(attempts);
      return *hardware_;
    } catch (const DeviceError& error) {
      set_aside(*slot, error.what(), attempts);
    }
  }
  throw DeviceError(all_reasons());
}

void DevicePool::admit() {
  const std::lock_guard lock(checking_);
  if (!check_) return;
  check_();
  check_ = nullptr;
}

/// Waits for a member that may do the work; null where there is none left.
DevicePool::Slot* DevicePool::take(const Attempts& attempts) {
  std::unique_lock lock(mutex_);
  for (;;) {
    Slot* best = nullptr;
    bool hope = false;
    auto again = Clock::time_point::max();
    for (const auto& slot : slots_) {
      if (attempts.gave_up(slot->index)) continue;
      hope = true;
      if (slot->busy) continue;
      if (slot->state.aside && slot->again > Clock::now()) {
        again = std::min(again, slot->again);
      } else if (best == nullptr || slot->rank() < best->rank()) {
        best = slot.get();
      }
    }
    if (best != nullptr) best->busy = true;
    if (best != nullptr || !hope) return best;
    if (again == Clock::time_point::max()) {
      changed_.wait(lock);
    } else {
      changed_.wait_until(lock, again);
    }
  }
}

void DevicePool::open(Slot& slot) {
  if (slot.driver != nullptr) return;
  auto device = slot.open_device();
  auto driver = std::make_unique<Driver>(*device);
  const HardwareInfo& info = device->info();
  const std::lock_guard lock(mutex_);
  if (!hardware_) {
    hardware_ = info;
    hardware_of_ = slot.state.name;
  } else if (info.fingerprint != hardware_->fingerprint) {
    const std::string text =
        fmt::format("{} has fingerprint {} and {} has {}: use devices with the same hardware and memory",
                    slot.state.name, info.fingerprint, hardware_of_, hardware_->fingerprint);
    if (!slot.was_open) throw OtherHardware(text);
    throw DeviceError(text);
  }
  slot.was_open = true;
  slot.state.aside = false;
  slot.device = std::move(device);
  slot.driver = std::move(driver);
}

void DevicePool::give_back(Slot& slot, bool completed) {
  {
    const std::lock_guard lock(mutex_);
    slot.busy = false;
    if (completed) {
      ++slot.state.works;
      slot.failures_in_row = 0;
    }
  }
  changed_.notify_all();
}

void DevicePool::set_aside(Slot& slot, const std::string& reason, Attempts& attempts) {
  slot.driver.reset();
  slot.device.reset();
  attempts.failed(slot.index);
  {
    const std::lock_guard lock(mutex_);
    slot.busy = false;
    slot.state.aside = true;
    slot.state.reason = reason;
    ++slot.state.failures;
    if (++slot.failures_in_row == 1) attempts.notes.push_back(named(slot.state.name, reason));
    auto pause = patience_.first_pause;
    for (int i = 1; i < slot.failures_in_row && pause < patience_.longest_pause; ++i) pause *= 2;
    slot.again = Clock::now() + std::min(pause, patience_.longest_pause);
  }
  changed_.notify_all();
}

void DevicePool::tell_failures(const Attempts& attempts) {
  if (!note_ || attempts.notes.empty()) return;
  const std::lock_guard lock(telling_);
  for (const std::string& note : attempts.notes)
    note_("set aside for a while, its work done elsewhere: " + note);
}

std::string DevicePool::all_reasons() const {
  std::vector<std::string> reasons;
  for (const State& state : states()) {
    std::string reason = named(state.name, state.reason);
    if (std::find(reasons.begin(), reasons.end(), reason) == reasons.end()) reasons.push_back(reason);
  }
  if (reasons.size() == 1) return reasons.front();
  std::string text = "no device is left: ";
  for (const std::string& reason : reasons) text += (&reason == reasons.data() ? "" : "; ") + reason;
  return text;
}

void DevicePool::run(const std::function<void(Driver&)>& work) {
  (void)hardware();
  Attempts attempts(slots_.size(), patience_.tries);
  for (;;) {
    Slot* const slot = take(attempts);
    if (slot == nullptr) throw DeviceError(all_reasons());
    bool opened = false;
    try {
      open(*slot);
      opened = true;
      work(*slot->driver);
      give_back(*slot, true);
      break;
    } catch (const OtherHardware& error) {
      set_aside(*slot, error.what(), attempts);
      throw;
    } catch (const DeviceLost& error) {
      set_aside(*slot, error.what(), attempts);
    } catch (const DeviceError& error) {
      set_aside(*slot, error.what(), attempts);
      if (opened && (++attempts.refusals == 2 || slots_.size() == 1)) throw;
    } catch (...) {
      give_back(*slot, false);
      throw;
    }
  }
  tell_failures(attempts);
}

void DevicePool::for_each(std::size_t count, const std::function<void(Driver&, std::size_t)>& work) {
  if (count == 0) return;
  (void)hardware();
  parallel_for(static_cast<int>(count), static_cast<int>(slots_.size()), [&](int i, int /*worker*/) {
    run([&](Driver& driver) { work(driver, static_cast<std::size_t>(i)); });
  });
}

}  // namespace bitloop::host
