#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "host/device/device.h"
#include "host/driver/driver.h"

namespace bitloop::host {

/// How long a pool hopes for a device that failed.
struct PoolPatience {
  std::chrono::milliseconds first_pause{
      500};  ///< before it is opened again; doubles with each failure in a row
  std::chrono::milliseconds longest_pause{30'000};
  int tries = 6;  ///< of one work on one device: 15 s of pauses
};

/// Devices that jobs may run on, opened as they are needed and kept. All tell the same fingerprint, so that
/// no result depends on which of them ran what.
///
/// A device that fails (DeviceError) is set aside with its reason and its work given to another one; after a
/// pause it is opened anew and tried again. A work is given up where each device failed it `tries` times, so
/// that devices that come and go are waited for, and those that are gone end in an error. Thread-safe.
class DevicePool {
 public:
  using Open = std::function<std::unique_ptr<Device>()>;
  using Note = std::function<void(const std::string&)>;
  struct Member {
    std::string name;
    Open open;
  };
  struct State {
    std::string name;
    std::size_t works = 0;     ///< that it completed
    std::size_t failures = 0;  ///< times that it was set aside
    std::string reason{};      ///< of the last failure
    bool aside = false;
  };

  explicit DevicePool(std::vector<Member> members, const PoolPatience& patience = {});
  /// `count` devices of one kind (0: one per processor).
  DevicePool(const std::string& name, const Open& open, int count = 0);
  ~DevicePool();

  /// Whom to tell, in one line, of a device that was set aside while the work went on elsewhere. Called by
  /// one thread at a time. Before anything runs.
  void tell(Note note) { note_ = std::move(note); }

  /// What must hold of the hardware before anybody measures on it. Before anything runs.
  void guard(std::function<void()> check) { check_ = std::move(check); }
  /// Asked by whoever is about to measure: makes the check, once it has passed never again; throws what it
  /// throws.
  void admit();

  [[nodiscard]] int size() const;
  /// Of all of them. Where none was ever open each is tried once: a device that is not there at the beginning
  /// is an error at once.
  const HardwareInfo& hardware();

  /// Calls `work` with the driver of a free device, and waits for one to be free. Where the device fails the
  /// work is done again, from its beginning, on another: it must not leave anything behind before its last
  /// call of the driver. Throws DeviceError, with all reasons, where no device is left to try, or where one
  /// that is opened for the first time has another fingerprint; and passes on what else `work` throws. A
  /// job's own failure (an illegal descriptor, no end) shows on every device: it is passed on after the
  /// second one.
  void run(const std::function<void(Driver&)>& work);

  /// Calls `work(driver, i)` for every i below `count`, as many at once as there are devices. Throws the
  /// first exception, after which no new work starts.
  void for_each(std::size_t count, const std::function<void(Driver&, std::size_t)>& work);

  [[nodiscard]] std::vector<State> states() const;

 private:
  struct Slot;
  class Attempts;

  Slot* take(const Attempts& attempts);
  void open(Slot& slot);
  void give_back(Slot& slot, bool completed);
  void set_aside(Slot& slot, const std::string& reason, Attempts& attempts);
  void tell_failures(const Attempts& attempts);
  [[nodiscard]] std::string all_reasons() const;

  PoolPatience patience_;
  Note note_;
  std::function<void()> check_;
  std::mutex checking_;  ///< held while `check_` is called
  std::vector<std::unique_ptr<Slot>> slots_;
  mutable std::mutex mutex_;  ///< of the slots, but for the device of one that is busy, and of `hardware_`
  std::condition_variable changed_;
  std::mutex first_;    ///< held while the first device is opened
  std::mutex telling_;  ///< held while `note_` is called
  std::optional<HardwareInfo> hardware_;
  std::string hardware_of_;  ///< the member that told it
};

}  // namespace bitloop::host
