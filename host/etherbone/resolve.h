#pragma once

#include <boost/asio/ip/address.hpp>
#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "host/driver/address.h"

namespace bitloop::host::etherbone {

/// A host's addresses, as long as that takes; throws boost::system::system_error where it has none.
using HostLookup = std::function<std::vector<boost::asio::ip::address>(const std::string& host)>;
std::vector<boost::asio::ip::address> look_up_host(const std::string& host);

/// The host's addresses; throws DeviceLost where it has none, or none by `until`. A lookup that takes longer
/// goes on in a thread that nobody waits for: `lookup` must own what it uses.
std::vector<boost::asio::ip::address> resolve_host(const DeviceAddress& address,
                                                   std::chrono::steady_clock::time_point until,
                                                   HostLookup lookup = look_up_host);

/// "tcp://HOST:PORT": what messages call the other end.
std::string peer_name(const DeviceAddress& address);

}  // namespace bitloop::host::etherbone
