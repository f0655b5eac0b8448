#pragma once

#include <boost/asio/ip/address.hpp>
#include <chrono>
#include <string>
#include <vector>

#include "host/devices/address.h"

namespace bitloop::host::etherbone {

/// The host's addresses; throws DeviceLost where it has none, or none by `until`.
std::vector<boost::asio::ip::address> resolve_host(const DeviceAddress& address,
                                                   std::chrono::steady_clock::time_point until);

/// "tcp://HOST:PORT": what messages call the other end.
std::string peer_name(const DeviceAddress& address);

}  // namespace bitloop::host::etherbone
