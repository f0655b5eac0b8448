#pragma once

#include <string>

namespace bitloop::host::etherbone {

/// "127.0.0.1:1234", "[::1]:1234": of a TCP or UDP endpoint.
template <class Endpoint>
std::string endpoint_name(const Endpoint& endpoint) {
  const std::string address = endpoint.address().to_string();
  return (endpoint.address().is_v6() ? "[" + address + "]" : address) + ":" + std::to_string(endpoint.port());
}

}  // namespace bitloop::host::etherbone
