#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace bitloop::host::etherbone {

/// The beginning of what a stranger sent, fit for a line of text: quoted, other characters as \xHH.
std::string printable(std::span<const std::byte> bytes);
std::string printable(std::string_view text);

/// A zero-padded text from the network; characters that are not printable ASCII become '?'.
std::string printable_text(std::span<const std::byte> bytes);

}  // namespace bitloop::host::etherbone
