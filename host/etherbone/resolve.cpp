#include "host/etherbone/resolve.h"

#include <fmt/format.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/system/system_error.hpp>
#include <future>
#include <system_error>
#include <thread>
#include <utility>

#include "host/base/error.h"

namespace bitloop::host::etherbone {

namespace asio = boost::asio;

std::vector<asio::ip::address> look_up_host(const std::string& host) {
  asio::io_context context(1);
  asio::ip::tcp::resolver resolver(context);
  std::vector<asio::ip::address> addresses;
  for (const auto& entry : resolver.resolve(host, "")) addresses.push_back(entry.endpoint().address());
  return addresses;
}

std::vector<asio::ip::address> resolve_host(const DeviceAddress& address,
                                            std::chrono::steady_clock::time_point until, HostLookup lookup) {
  boost::system::error_code error;
  const auto numeric = asio::ip::make_address(address.host, error);
  if (!error) return {numeric};
  // The system's lookup cannot be stopped, and Asio's own thread for it is joined.
  std::packaged_task<std::vector<asio::ip::address>()> task(
      [lookup = std::move(lookup), host = address.host] { return lookup(host); });
  auto found = task.get_future();
  try {
    std::thread(std::move(task)).detach();
  } catch (const std::system_error& e) {
    throw DeviceLost(fmt::format("{}: host {} cannot be looked up, there is no thread for it ({})",
                                 peer_name(address), address.host, e.code().message()));
  }
  if (found.wait_until(until) != std::future_status::ready) {
    throw DeviceLost(
        fmt::format("{}: host {} was not found within {:g} s; does the name server answer, or is a longer "
                    "time needed (connect=SECONDS)?",
                    peer_name(address), address.host, address.connect_timeout.count()));
  }
  try {
    return found.get();
  } catch (const boost::system::system_error& e) {
    throw DeviceLost(
        fmt::format("{}: host {} is not known ({})", peer_name(address), address.host, e.code().message()));
  }
}

std::string peer_name(const DeviceAddress& address) {
  const char* scheme = address.scheme == Scheme::udp   ? "udp"
                       : address.scheme == Scheme::tcp ? "tcp"
                                                       : "tcp+tls";
  const bool v6 = address.host.find(':') != std::string::npos;
  return fmt::format("{}://{}{}{}:{}", scheme, v6 ? "[" : "", address.host, v6 ? "]" : "", address.port);
}

}  // namespace bitloop::host::etherbone
