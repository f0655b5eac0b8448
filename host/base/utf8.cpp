#include "host/base/utf8.h"

#include <boost/locale/utf.hpp>

namespace bitloop::host {

std::size_t utf8_bytes(std::string_view text) {
  const char* end = text.data();
  const auto character = boost::locale::utf::utf_traits<char>::decode(end, text.data() + text.size());
  const bool control = character < 0x20 || (character >= 0x7f && character < 0xa0);
  if (!boost::locale::utf::is_valid_codepoint(character) || control) return 0;
  return static_cast<std::size_t>(end - text.data());
}

}  // namespace bitloop::host
