#pragma once

#include <cstdint>

#include "host/network/network.h"

namespace bitloop::host::test {

/// A small random network of 4 to 10 layers and at most 2 million multiplications, the same for the same seed
/// on every machine: all kinds of layers, residual adds whose operands convolutions read as well, max pools
/// between an add and its operands, concats, slices and shuffles of any channels, groups, depthwise layers
/// with several filters per channel, one or two results. Each of its themes is in one seed of `kGraphThemes`.
/// A policy for it: `random_policy` (tests/host/network/random_cases.h).
Network random_graph(std::uint64_t seed);

inline constexpr std::uint64_t kGraphThemes = 19;

}  // namespace bitloop::host::test
