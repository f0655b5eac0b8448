#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "host/device.h"
#include "host/driver.h"

namespace bitloop::host {

/// Devices that jobs may run on, opened as they are needed and kept. All tell the same fingerprint, so that no
/// result depends on which of them ran what.
///
/// A device that fails (DeviceError) is set aside with its reason and its work given to another one; after a
/// pause, which doubles from `kFirstPause` to `kLongestPause`, it is opened anew and tried again. Thread-safe.
class DevicePool {
 public:
  using Open = std::function<std::unique_ptr<Device>()>;
  struct Member {
    std::string name;
    Open open;
  };
  struct State {
    std::string name;
    std::size_t works = 0;     ///< that it completed
    std::size_t failures = 0;  ///< times that it was set aside
    std::string reason;        ///< of the last failure
    bool aside = false;
  };

  explicit DevicePool(std::vector<Member> members);
  /// `count` devices of one kind (0: one per processor).
  DevicePool(const std::string& name, const Open& open, int count = 0);
  ~DevicePool();

  [[nodiscard]] int size() const;
  /// Of all of them; opens one where none is open.
  const HardwareInfo& hardware();

  /// Calls `work` with the driver of a free device, and waits for one to be free. Where the device fails the
  /// work is done again, from its beginning, on another: it must not leave anything behind before its last
  /// call of the driver. Throws DeviceError, with all reasons, where no device is left to try, and passes on
  /// what else `work` throws. A job's own failure (an illegal descriptor, no end) shows on every device: it is
  /// passed on after the second one.
  void run(const std::function<void(Driver&)>& work);

  /// Calls `work(driver, i)` for every i below `count`, as many at once as there are devices. Throws the first
  /// exception, after which no new work starts.
  void for_each(std::size_t count, const std::function<void(Driver&, std::size_t)>& work);

  [[nodiscard]] std::vector<State> states() const;

  static constexpr std::chrono::milliseconds kFirstPause{500};
  static constexpr std::chrono::milliseconds kLongestPause{30'000};

 private:
  struct Slot;
  std::vector<std::unique_ptr<Slot>> slots_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
};

}  // namespace bitloop::host
