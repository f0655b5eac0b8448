#include "host/etherbone/resolve.h"

#include <fmt/format.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "host/error.h"

namespace bitloop::host::etherbone {

namespace asio = boost::asio;

std::vector<asio::ip::address> resolve_host(const DeviceAddress& address,
                                            std::chrono::steady_clock::time_point until) {
  boost::system::error_code error;
  const auto numeric = asio::ip::make_address(address.host, error);
  if (!error) return {numeric};
  asio::io_context context(1);
  asio::ip::tcp::resolver resolver(context);
  std::vector<asio::ip::address> addresses;
  error = asio::error::timed_out;
  resolver.async_resolve(address.host, std::to_string(address.port),
                         [&](const auto& result, const auto& found) {
                           error = result;
                           for (const auto& entry : found) addresses.push_back(entry.endpoint().address());
                         });
  context.run_until(until);
  if (!addresses.empty()) return addresses;
  throw DeviceLost(
      fmt::format("{}: host {} is not known ({})", peer_name(address), address.host, error.message()));
}

std::string peer_name(const DeviceAddress& address) {
  const char* scheme = address.scheme == Scheme::udp   ? "udp"
                       : address.scheme == Scheme::tcp ? "tcp"
                                                       : "tcp+tls";
  const bool v6 = address.host.find(':') != std::string::npos;
  return fmt::format("{}://{}{}{}:{}", scheme, v6 ? "[" : "", address.host, v6 ? "]" : "", address.port);
}

}  // namespace bitloop::host::etherbone
