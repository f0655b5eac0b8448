#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "host/board/mapping.h"
#include "host/board/memory_mapped_device.h"

namespace bitloop::host::board {

/// A buffer of the u-dma-buf driver (https://github.com/ikwzm/udmabuf), mapped with the processor's cache on:
/// several times as fast as without, and the reason for the explicit synchronization.
class DmaBuffer final : public CacheSync {
 public:
  /// `name`: "udmabuf0". `devices` and `classes`: /dev and /sys/class, except in tests.
  DmaBuffer(const std::string& name, const std::filesystem::path& devices,
            const std::filesystem::path& classes);

  [[nodiscard]] std::span<std::byte> bytes() const { return mapping_.bytes(); }
  [[nodiscard]] Address address() const { return address_; }  ///< where the accelerator sees it
  /// False where the hardware keeps the caches right.
  [[nodiscard]] bool needs_sync() const { return sync_.has_value(); }

  void for_device(Address offset, Address bytes) override;
  void for_cpu(Address offset, Address bytes) override;

 private:
  /// Files by which the driver is told what to synchronize.
  struct SyncFiles {
    File offset;
    File size;
    File for_device;
    File for_cpu;
  };
  DmaBuffer(const std::filesystem::path& folder, const std::filesystem::path& device);
  void sync(const File& direction, Address offset, Address bytes);

  Mapping mapping_;
  Address address_;
  std::optional<SyncFiles> sync_;
};

}  // namespace bitloop::host::board
