#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "host/device/device.h"

namespace bitloop::host::board {

/// Where the hardware's interrupt comes from: UIO's file, or a test's.
class Interrupt {
 public:
  virtual ~Interrupt() = default;
  /// Lets the next interrupt through (UIO masks it when it comes).
  virtual void enable() = 0;
  /// True when one came, false after `seconds`.
  virtual bool wait(double seconds) = 0;
};

/// Cache maintenance of a buffer that the accelerator reads and writes too (u-dma-buf). Offsets and sizes in
/// bytes; the ranges are widened to cache lines.
class CacheSync {
 public:
  virtual ~CacheSync() = default;
  virtual void for_device(Address offset, Address bytes) = 0;  ///< what the processor wrote
  virtual void for_cpu(Address offset, Address bytes) = 0;     ///< what the accelerator wrote
};

/// The parts of a board, mapped into this process.
struct MappedBoard {
  volatile std::uint32_t* registers = nullptr;  ///< 4 KB
  std::span<std::byte> buffer;                  ///< memory that the accelerator reaches
  Address buffer_address = 0;                   ///< where the accelerator sees it; a multiple of 4096
  Interrupt* interrupt = nullptr;               ///< null: LAST_DONE is polled
  CacheSync* sync = nullptr;                    ///< null: the buffer is coherent
  double clock_hz = 100e6;
  std::string name =
      "board";  ///< of board and memory together: what its cycles are filed under, with the clock
  std::shared_ptr<void> owner;  ///< of the mappings and devices, where they are to live as long as this does
};

/// The accelerator in a board's own address space. Throws DeviceError where it is none of ours.
std::unique_ptr<Device> make_memory_mapped_device(const MappedBoard& board);

/// The board that this program runs on: registers and interrupt by UIO, memory by u-dma-buf. `uio`: a device
/// ("uio0") or the name that the device tree gives it. `devices` and `classes`: /dev and /sys/class, except
/// in tests. Throws DeviceError naming the file and what to do.
std::unique_ptr<Device> open_uio_device(const std::string& uio, const std::string& buffer, double clock_hz,
                                        const std::string& board_name,
                                        const std::filesystem::path& devices = "/dev",
                                        const std::filesystem::path& classes = "/sys/class");

}  // namespace bitloop::host::board
