#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string_view>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace bitloop::host {

/// Second half of a board's fingerprint, in place of a simulated memory's hash: a board's cycles are filed
/// under the name that its owner gave it and under its clock.
inline std::uint64_t board_hash(std::string_view name, double clock_hz) {
  const std::string identity = fmt::format("{} {:.0f}", name, clock_hz);
  return XXH3_64bits(identity.data(), identity.size());
}

}  // namespace bitloop::host
