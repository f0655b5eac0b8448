#pragma once

#include <algorithm>
#include <cstring>
#include <span>
#include <vector>

#include "host/board/memory_mapped_device.h"

namespace bitloop::host::board::test {

/// A buffer behind a cache that nothing keeps right but `CacheSync`: what the processor sees (`cpu`) and what
/// the accelerator sees (`dram`) are two copies. A line that the processor changed since it was last
/// synchronized is dirty: only those reach `dram`, and those that are thrown away are counted.
class IncoherentMemory final : public CacheSync {
 public:
  static constexpr std::size_t kLine = 64;

  /// In a buffer of the caller's, a multiple of the line.
  explicit IncoherentMemory(std::span<std::byte> cpu_bytes)
      : cpu(cpu_bytes), dram(cpu.begin(), cpu.end()), clean_(dram) {}

  void for_device(Address offset, Address bytes) override {
    for_lines(offset, bytes, [&](std::size_t line) {
      if (!dirty(line)) return;
      std::copy_n(cpu.begin() + static_cast<std::ptrdiff_t>(line), kLine, dram.begin() + at(line));
      std::copy_n(cpu.begin() + static_cast<std::ptrdiff_t>(line), kLine, clean_.begin() + at(line));
    });
    ++syncs;
  }
  void for_cpu(Address offset, Address bytes) override {
    for_lines(offset, bytes, [&](std::size_t line) {
      if (dirty(line)) ++lost;
      std::copy_n(dram.begin() + at(line), kLine, cpu.begin() + at(line));
      std::copy_n(dram.begin() + at(line), kLine, clean_.begin() + at(line));
    });
    ++syncs;
  }

  std::span<std::byte> cpu;
  std::vector<std::byte> dram;
  int lost = 0;   ///< lines that were written and thrown away
  int syncs = 0;  ///< calls

 private:
  static std::ptrdiff_t at(std::size_t line) { return static_cast<std::ptrdiff_t>(line); }
  [[nodiscard]] bool dirty(std::size_t line) const {
    return std::memcmp(cpu.data() + line, clean_.data() + line, kLine) != 0;
  }
  template <class Visit>
  void for_lines(Address offset, Address bytes, const Visit& visit) const {
    for (std::size_t line = offset / kLine * kLine; line < offset + bytes; line += kLine) visit(line);
  }

  std::vector<std::byte> clean_;  ///< what `cpu` held when it was last synchronized
};

}  // namespace bitloop::host::board::test
