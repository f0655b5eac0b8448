#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <new>
#include <span>
#include <string>
#include <vector>

#include "host/base/error.h"
#include "host/device/device.h"
#include "host/device/registers.h"

namespace bitloop::host::test {

/// A device whose jobs take as many cycles as a test says, and which writes down what is asked of it. Time
/// passes in `wait_done` only.
class ScriptedDevice final : public Device {
 public:
  static constexpr Address kBytes = Address{1} << 20;

  ScriptedDevice() : memory(kBytes) {
    info_.name = "scripted";
    info_.memory = "vector";
    info_.fingerprint = "0011223344556677fedcba9876543210";
    registers_[registers::kId] = registers::kIdValue;
  }

  const HardwareInfo& info() const override { return info_; }
  Address memory_size() const override {
    if (memory_asked++ == no_memory_at) throw std::bad_alloc();
    return kBytes;
  }
  Address memory_base() const override { return 0x2000'0000; }

  void write_memory(Address address, std::span<const std::byte> bytes) override {
    calls.push_back("write_memory " + std::to_string(bytes.size()));
    std::copy(bytes.begin(), bytes.end(), memory.begin() + static_cast<std::ptrdiff_t>(address));
  }
  void read_memory(Address address, std::span<std::byte> bytes) override {
    calls.push_back("read_memory " + std::to_string(bytes.size()));
    const auto from = memory.begin() + static_cast<std::ptrdiff_t>(address);
    std::copy(from, from + static_cast<std::ptrdiff_t>(bytes.size()), bytes.begin());
  }
  void write_register(std::uint32_t offset, std::uint32_t value) override {
    write_registers(offset, std::span(&value, 1));
  }
  std::uint32_t read_register(std::uint32_t offset) override {
    if (offset == fails_at) throw DeviceError("scripted: no such register");
    if (offset == registers::kStatus) return left > 0 ? 1 : 0;
    return registers_[offset];
  }
  void write_registers(std::uint32_t offset, std::span<const std::uint32_t> values) override {
    calls.push_back("write_registers " + std::to_string(values.size()));
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::uint32_t at = offset + static_cast<std::uint32_t>(4 * i);
      if (at == fails_at) throw DeviceError("scripted: no such register");
      registers_[at] = values[i];
      if (at != registers::kStart) continue;
      left = job_cycles;
      ++starts;
    }
  }
  bool wait_done(std::uint32_t sequence, Cycles limit) override {
    waited += limit;
    const Cycles passed = std::min(left, limit);
    left -= passed;
    if (passed > 0 && left == 0) registers_[registers::kLastDone] = registers_[registers::kStart];
    return registers_[registers::kLastDone] == sequence;
  }
  void reset() override {
    left = 0;
    ++resets;
  }

  std::vector<std::byte> memory;
  std::vector<std::string> calls;
  Cycles job_cycles = 1;  ///< of jobs that start from now on
  Cycles left = 0;        ///< of the job that runs
  Cycles waited = 0;      ///< sum of the limits of all waits
  // Tests read them while a server's thread runs.
  std::atomic<int> starts = 0;
  std::atomic<int> resets = 0;
  std::uint32_t fails_at = 0xffff'ffff;  ///< the register whose access is refused
  mutable int memory_asked = 0;          ///< how often its size was; a server does that once for each client
  int no_memory_at = -1;                 ///< which of these times throws

 private:
  HardwareInfo info_;
  std::map<std::uint32_t, std::uint32_t> registers_;
};

}  // namespace bitloop::host::test
