#pragma once

#include "host/board/mapping.h"
#include "host/board/memory_mapped_device.h"

namespace bitloop::host::board {

/// Interrupts of a UIO device: writing 1 to its file lets the next one through, reading the file tells that
/// it came, and masks further ones.
class UioInterrupt final : public Interrupt {
 public:
  /// The file must outlive it.
  explicit UioInterrupt(const File& file) : file_(file) {}

  void enable() override;
  bool wait(double seconds) override;

 private:
  const File& file_;
};

}  // namespace bitloop::host::board
