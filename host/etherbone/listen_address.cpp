#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "host/base/error.h"
#include "host/etherbone/server.h"

namespace bitloop::host::etherbone {

ListenAddress parse_listen(std::string_view text) {
  const auto bad = [&](const char* why) {
    return InputError(
        fmt::format("--listen '{}': {}; give HOST:PORT, tcp+tls://HOST:PORT or udp://HOST:PORT", text, why));
  };
  ListenAddress listen;
  std::string_view rest = text;
  if (const auto end = rest.find("://"); end != rest.npos) {
    const std::string_view scheme = rest.substr(0, end);
    if (scheme == "tcp+tls") {
      listen.scheme = Scheme::tcp_tls;
    } else if (scheme == "udp") {
      listen.scheme = Scheme::udp;
    } else if (scheme != "tcp") {
      throw bad("nothing listens by that");
    }
    rest.remove_prefix(end + 3);
  }
  std::string_view port;
  if (rest.starts_with('[')) {  // an IPv6 address
    const auto end = rest.find(']');
    if (end == rest.npos) throw bad("a ']' is missing");
    listen.host = rest.substr(1, end - 1);
    port = rest.substr(end + 1);
  } else {
    const auto colon = rest.find(':');
    listen.host = rest.substr(0, colon);
    port = rest.substr(std::min(colon, rest.size()));
  }
  if (listen.host.empty()) throw bad("the host is missing");
  if (port.empty()) return listen;
  const auto [next, error] = std::from_chars(port.data() + 1, port.data() + port.size(), listen.port);
  if (port.front() != ':' || error != std::errc{} || next != port.data() + port.size()) {
    throw bad("the port is no number up to 65535");
  }
  return listen;
}

}  // namespace bitloop::host::etherbone
