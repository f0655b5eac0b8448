#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "host/device/device.h"
#include "host/program/instruction.h"

namespace bitloop::host::test {

class EmulatorCore;

/// Which of the orders that waits allow an emulated job takes. A wait that the compiler forgot shows as wrong
/// bytes in one of them.
enum class Interleaving {
  program_order,
  loads_first,    ///< loads run as far ahead as they may, stores as late
  compute_first,  ///< compute runs as far ahead as it may, loads as late
  stores_late,    ///< loads and compute take turns, stores only when nothing else can go on
};

struct EmulatorOptions {
  Interleaving interleaving = Interleaving::program_order;
  Address memory_bytes = Address{64} << 20;
};

/// Executes jobs instruction by instruction, exactly as docs/accelerator.md says, without any timing: all
/// counters are zero. Its SRAMs start with garbage: that of activations every job, the others every segment.
/// The compiler's test oracle, and a debugging tool.
///
/// Owns its memory. Not thread-safe.
class Emulator : public Device {
 public:
  explicit Emulator(HardwareInfo info, EmulatorOptions options = {});
  ~Emulator() override;

  const HardwareInfo& info() const override { return info_; }
  Address memory_size() const override { return options_.memory_bytes; }
  void write_memory(Address address, std::span<const std::byte> bytes) override;
  void read_memory(Address address, std::span<std::byte> bytes) override;
  void write_register(std::uint32_t offset, std::uint32_t value) override;
  std::uint32_t read_register(std::uint32_t offset) override;
  bool wait_done(std::uint32_t sequence, Cycles limit) override;
  void reset() override;

  /// Why the last job failed, in words; empty where it did not.
  [[nodiscard]] const std::string& last_error() const { return last_error_; }

 private:
  struct Registers {
    std::uint32_t base = 0;
    std::uint32_t job = 0;
    std::uint32_t last_done = 0;
    std::uint32_t error = 0;
    std::uint32_t error_info = 0;
  };

  [[nodiscard]] std::uint32_t fingerprint_word(std::size_t digit) const;
  void run_job();
  void run_segment(Address offset, const SegmentHeader& header);
  Descriptor read_descriptor(Address offset);

  HardwareInfo info_;
  EmulatorOptions options_;
  std::vector<std::byte> memory_;
  Registers registers_;
  std::string last_error_;
  std::unique_ptr<EmulatorCore> core_;
};

}  // namespace bitloop::host::test
