#include "host/etherbone/printable.h"

#include <fmt/format.h>

namespace bitloop::host::etherbone {
namespace {

constexpr std::size_t kShown = 64;  ///< characters

bool plain(unsigned char c) { return c >= ' ' && c <= '~'; }

}  // namespace

std::string printable(std::span<const std::byte> bytes) {
  std::string text = "\"";
  for (const std::byte b : bytes.first(std::min(bytes.size(), kShown))) {
    const auto c = std::to_integer<unsigned char>(b);
    if (plain(c) && c != '"' && c != '\\') {
      text += static_cast<char>(c);
    } else {
      text += fmt::format("\\x{:02x}", c);
    }
  }
  return text + (bytes.size() > kShown ? "\"..." : "\"");
}

std::string printable(std::string_view text) { return printable(std::as_bytes(std::span(text))); }

std::string printable_text(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte b : bytes) {
    const auto c = std::to_integer<unsigned char>(b);
    if (c == 0) break;
    text += plain(c) ? static_cast<char>(c) : '?';
  }
  return text;
}

}  // namespace bitloop::host::etherbone
