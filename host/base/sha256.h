#pragma once

#include <array>
#include <cstddef>
#include <span>

namespace bitloop::host {

using Sha256 = std::array<std::byte, 32>;

Sha256 sha256(std::span<const std::byte> bytes);

}  // namespace bitloop::host
