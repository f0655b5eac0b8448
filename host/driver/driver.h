#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "host/device/device.h"
#include "host/network/quantized_network.h"
#include "host/program/job.h"

namespace bitloop::host {

/// Runs jobs on a device: places them in its memory, starts them, waits, reads counters and tensors.
/// Keeps the last job resident, so that running it on another image moves only the image.
///
/// What it returns has arrived unaltered and is of the job that it started: where the way to the device fails
/// (DeviceLost), the device is reset and the job loaded and run again, `kAttempts` times in all; the last
/// failure is thrown. What the hardware itself refuses is not tried again.
/// Not thread-safe; the device must outlive it.
class Driver {
 public:
  /// Called now and then while a job runs long, with the part of its instructions that have been dispatched,
  /// 0..1.
  using Progress = std::function<void(double done)>;

  /// Reads the device's identity; throws DeviceError where the register map is not ours (both hashes in the
  /// text). Resets it where a client that was killed left it busy or with an error.
  explicit Driver(Device& device);

  /// Places the job's blocks; nothing is moved where this very job is loaded already. Throws DeviceError
  /// where the memory is too small or the hardware's parameters do not fit.
  void load(std::shared_ptr<const Job> job);
  void load(const Job& job) { load(std::make_shared<const Job>(job)); }
  /// Places the image (HWC bytes; for a job without an image: HWC codes, a byte each) and runs the loaded
  /// job. Throws DeviceError on sticky hardware errors (with their names), and DeviceTimeout after `limit`
  /// cycles or, with what waits there, where the job stands still; after any exception of the device it has
  /// been reset and the next job runs.
  Measurement run(std::span<const std::uint8_t> hwc_images, Cycles limit = kDefaultLimit,
                  const Progress& progress = {});
  /// A tensor of the loaded job after a run.
  CodeTensor read_tensor(const TensorPlace& place);

  static constexpr Cycles kDefaultLimit = 4'000'000'000;
  static constexpr int kAttempts = 4;

 private:
  using Mark = std::array<std::byte, 16>;

  void identify();
  [[nodiscard]] std::vector<std::byte> pack_input(std::span<const std::uint8_t> hwc_images) const;
  [[nodiscard]] std::vector<std::byte> pack_image(std::span<const std::uint8_t> hwc_image) const;
  void check_fit(const Job& job) const;
  void place_blocks();
  Measurement run_once(Cycles limit, const Progress& progress);
  void start();
  void await_end(Cycles limit, const Progress& progress);
  void check_errors();
  void check_identity();
  void check_last_done();
  [[nodiscard]] Measurement read_counters();
  void reset_quietly() noexcept;
  /// Calls `work`; where the way to the device failed, resets the device and calls `again` and `work` once
  /// more.
  template <class Work, class Again>
  auto persist(const Work& work, const Again& again);

  Device& device_;
  Address base_;  ///< of the job, in the memory window
  std::string rtl_fingerprint_;
  std::shared_ptr<const Job> job_;
  std::vector<std::byte> input_;  ///< of the last run, packed
  Cycles limit_ = kDefaultLimit;  ///< of the last run
  Mark mark_{};                   ///< in memory that jobs do not use, another one for each placing of a job
  std::uint32_t sequence_;        ///< of the last job; begins anywhere, so that two programs' jobs differ
};

}  // namespace bitloop::host
