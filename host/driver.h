#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "host/device.h"
#include "host/job.h"
#include "host/quantized_network.h"

namespace bitloop::host {

/// Runs jobs on a device: places them in its memory, starts them, waits, reads counters and tensors.
/// Keeps the last job resident, so that running it on another image moves only the image.
/// Not thread-safe; the device must outlive it.
class Driver {
 public:
  /// Reads the device's identity; throws DeviceError where the register map is not ours (both hashes in the
  /// text). Resets it where a client that was killed left it busy or with an error.
  explicit Driver(Device& device);

  /// Places the job's blocks. Throws DeviceError where the memory is too small or the hardware's parameters
  /// do not fit.
  void load(const Job& job);
  /// Places the image (HWC bytes; for a job without an image: HWC codes, a byte each) and runs the loaded
  /// job. Throws DeviceError on sticky hardware errors (with their names) and DeviceTimeout after `limit`
  /// cycles; after any exception of the device it has been reset and the next job runs.
  Measurement run(std::span<const std::uint8_t> hwc_image, Cycles limit = kDefaultLimit);
  /// A tensor of the loaded job after a run.
  CodeTensor read_tensor(const TensorPlace& place);

  static constexpr Cycles kDefaultLimit = 4'000'000'000;

 private:
  [[nodiscard]] std::vector<std::byte> pack_input(std::span<const std::uint8_t> hwc_image) const;
  void start_and_wait(Cycles limit);
  void check_errors();
  [[nodiscard]] Measurement read_counters();

  Device& device_;
  Job job_;
  bool loaded_ = false;
  std::uint32_t sequence_ = 0;
};

}  // namespace bitloop::host
