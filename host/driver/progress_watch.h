#pragma once

#include <string>

#include "host/device/device.h"

namespace bitloop::host {

/// The counters that the device's registers show: of the last job that ended, or of the last snapshot.
Counters latched_counters(Device& device);

/// Tells a job that takes long from one that will never end: the counters of work that a running job goes on
/// to count. Looking changes no cycle of the job. The device must outlive it.
class ProgressWatch {
 public:
  /// For a job that has just been started.
  explicit ProgressWatch(Device& device) : device_(device) {}

  void look();
  /// What waits for what, in words, where no work was counted between the last two looks (or since the
  /// start); otherwise empty.
  [[nodiscard]] const std::string& standstill() const { return standstill_; }
  /// Dispatched since the start, as of the last look.
  [[nodiscard]] double instructions() const;

 private:
  Device& device_;
  Counters counters_{};
  std::string standstill_;
};

}  // namespace bitloop::host
