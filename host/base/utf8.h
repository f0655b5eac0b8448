#pragma once

#include <cstddef>
#include <string_view>

namespace bitloop::host {

/// Bytes of the UTF-8 character that a text begins with; 0 where none does (RFC 3629: shortest forms, no
/// surrogates) or it is a control character.
std::size_t utf8_bytes(std::string_view text);

}  // namespace bitloop::host
