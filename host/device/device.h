#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "host/base/error.h"

namespace bitloop::host {

using Address = std::uint64_t;  ///< bytes in the accelerator's memory window
using Cycles = std::uint64_t;
inline constexpr std::size_t kFingerprintDigits = 32;  ///< hexadecimal

/// Parameters that the hardware was built with, read from its registers, and the hash that its cycles are
/// filed under.
struct HardwareInfo {
  std::string name;            ///< "default", "tiny", ... or the parameters as text
  std::string fingerprint;     ///< kFingerprintDigits: half of RTL sources and parameters, half of memory
  std::string memory;          ///< name of the memory model, or of the board
  int pixels = 8;              ///< P, rows of the array
  int filters = 16;            ///< F, columns of the array
  int activation_rows = 4096;  ///< 64-bit words in each of the P activation banks
  int weight_rows = 1024;      ///< 64-bit words in each of the F weight banks
  int parameter_slots = 64;    ///< groups of F filters whose requantization fits on chip
  int channel_lanes = 32;      ///< channelwise units of a position: channels of a block's 32 in a pass
  int staging_words = 4096;    ///< 64-bit words of the image staging ring
  double clock_hz = 100e6;     ///< nominal
  bool duplex = false;         ///< memory reads a word and writes a word in one cycle, not one of both
  bool repeatable = true;      ///< a job counts the same whenever it runs and wherever it lies
  bool computes = true;        ///< false: it only counts (timing-only), and what jobs store is meaningless
  /// Cycles in which some work is counted while a job goes on, whatever the memory's latency: with none, it
  /// stands still. Of a memory that nobody described, a second at the nominal clock.
  Cycles patience = 100'000'000;
};

/// Names, in record order, of the 64-bit counters that the hardware keeps (generated from
/// rtl/control/registers.json).
std::span<const char* const> counter_names();
inline constexpr std::size_t kCounters = 32;
using Counters = std::array<std::uint64_t, kCounters>;

/// Counters of a whole job and of each of its segments, in order. Cycles come from hardware counters only.
struct Measurement {
  Counters total{};
  std::vector<Counters> segments;
  [[nodiscard]] Cycles cycles() const { return total[0]; }
};

/// A unit that runs jobs: the Verilated accelerator in this process, or a board behind a socket.
///
/// Owns its connection. Not thread-safe: one thread, one device.
/// Addresses are bytes in the accelerator's memory window. Every call either does all it says
/// or throws `DeviceError`, after which `reset()` makes the device usable again. Where a call throws
/// `DeviceLost`, what the device's memory and registers hold is unknown.
class Device {
 public:
  virtual ~Device() = default;

  virtual const HardwareInfo& info() const = 0;
  /// Bytes in the memory window.
  virtual Address memory_size() const = 0;
  /// Where the window begins for the accelerator's own bus: what the register BASE counts from. A multiple of
  /// 4096.
  virtual Address memory_base() const { return 0; }

  virtual void write_memory(Address address, std::span<const std::byte> bytes) = 0;
  virtual void read_memory(Address address, std::span<std::byte> bytes) = 0;

  /// One 32-bit register, by byte offset (host/device/registers.h). For drivers and diagnosis.
  virtual void write_register(std::uint32_t offset, std::uint32_t value) = 0;
  virtual std::uint32_t read_register(std::uint32_t offset) = 0;
  /// Consecutive registers from `offset` on, in this order, and as one message where they cross a wire:
  /// either all of them are written, or none.
  virtual void write_registers(std::uint32_t offset, std::span<const std::uint32_t> values) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      write_register(offset + static_cast<std::uint32_t>(4 * i), values[i]);
    }
  }
  virtual void read_registers(std::uint32_t offset, std::span<std::uint32_t> values) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = read_register(offset + static_cast<std::uint32_t>(4 * i));
    }
  }

  /// Lets the hardware go on until the job that START named is over: true, or false after `limit` cycles.
  virtual bool wait_done(std::uint32_t sequence, Cycles limit) = 0;

  /// Throws DeviceLost unless all that crossed between here and the device since the last call (or since the
  /// last reset) did so unaltered, both ways. Whoever reports a result calls it first.
  virtual void confirm() {}

  /// Soft reset: ends whatever runs, clears sticky errors. Memory keeps its bytes, unless the device itself
  /// was restarted. Where the connection is lost it is made anew; throws DeviceError where the device is not
  /// the one that it was before (another fingerprint).
  virtual void reset() = 0;
};

}  // namespace bitloop::host
