#pragma once

#include <cstdint>
#include <span>

#include "host/device/registers.h"

namespace bitloop::host::board::test {

constexpr std::size_t kPageWords = 1024;

/// What an idle accelerator's registers hold.
inline void fill_register_page(std::span<std::uint32_t> page) {
  page[registers::kId / 4] = registers::kIdValue;
  page[registers::kVersion / 4] = registers::kRegmapVersion;
  page[registers::kRegmapHash / 4] = registers::kRegmapHashValue;
  page[registers::kDescriptorVersion / 4] = registers::kDescriptorVersionValue;
  page[registers::kConfigArray / 4] = 4u << 16 | 2;
  page[registers::kConfigActivation / 4] = 1024;
  page[registers::kConfigWeight / 4] = 512;
  page[registers::kConfigParameter / 4] = 64;
  page[registers::kConfigChannel / 4] = 16;
  page[registers::kConfigStaging / 4] = 4096;
  page[registers::kFingerprint0 / 4] = 0x89abcdef;
  page[registers::kFingerprint1 / 4] = 0x01234567;
}

}  // namespace bitloop::host::board::test
