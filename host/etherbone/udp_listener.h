#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "host/etherbone/event_log.h"
#include "host/etherbone/listener.h"
#include "host/etherbone/server.h"

namespace bitloop::host::etherbone {

/// Clients by UDP: each datagram is a packet, and the device belongs to whoever spoke first, until it says
/// that it has done (service::kRelease) or says nothing for a while. What others send is dropped; only probes
/// are answered to anybody.
class UdpListener final : public Listener {
 public:
  /// Throws boost::system::system_error where the address cannot be had.
  UdpListener(boost::asio::io_context& context, const boost::asio::ip::address& address, Device& device,
              const ServerOptions& options, EventLog& log);

  [[nodiscard]] std::uint16_t port() const override { return socket_.local_endpoint().port(); }
  ServedDevice* served() override { return served_ ? &*served_ : nullptr; }
  void close() override;

 private:
  using Endpoint = boost::asio::ip::udp::endpoint;
  using Clock = std::chrono::steady_clock;
  /// A copy of a client's last datagrams must not make it the owner again.
  static constexpr std::chrono::seconds kAfterglow{1};
  static constexpr int kDatagrams = 64;  ///< between two looks at what else there is

  void receive();
  void take_datagrams();
  void take(std::span<const std::byte> datagram);
  bool admit();
  void reply();
  void watch();
  void free_device(const std::string& why);

  Device& device_;
  const ServerOptions& options_;
  EventLog& log_;
  boost::asio::ip::udp::socket socket_;
  boost::asio::steady_timer watch_;
  std::array<std::byte, 4096> datagram_;  ///< holds any packet; longer ones are none
  std::vector<std::byte> reply_;
  Endpoint from_;

  std::optional<ServedDevice> served_;
  Endpoint owner_;  ///< where `served_`; otherwise the one before
  Clock::time_point heard_{};
  Clock::time_point freed_{};
};

}  // namespace bitloop::host::etherbone
