#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#if BITLOOP_TLS
#include <boost/asio/ssl/context.hpp>
#endif

#include "host/etherbone/event_log.h"
#include "host/etherbone/listener.h"
#include "host/etherbone/server.h"
#include "host/etherbone/tcp_session.h"

namespace bitloop::host::etherbone {

/// Clients by TCP, plain or encrypted: one has the device, some wait in the order in which they came.
class TcpListener final : public Listener {
 public:
  /// Throws boost::system::system_error where the address cannot be had, and InputError for certificates.
  TcpListener(boost::asio::io_context& context, const boost::asio::ip::address& address, Device& device,
              const ServerOptions& options, EventLog& log);

  [[nodiscard]] std::uint16_t port() const override { return acceptor_.local_endpoint().port(); }
  ServedDevice* served() override { return owner_ ? owner_->served() : nullptr; }
  void close() override;

  /// Clients that may be proving who they are.
  static constexpr std::size_t kArriving = 16;

 private:
  using Session = TcpSession::Pointer;

  void accept();
  void take(boost::asio::ip::tcp::socket socket);
  std::unique_ptr<Wire> make_wire(boost::asio::ip::tcp::socket socket);
  void arrived(const Session& session);
  void gone(const Session& session, std::string_view why);
  void give_device(const Session& session);
  void free_device();
  [[nodiscard]] std::string banner(const char* state) const;

  Device& device_;
  const ServerOptions& options_;
  EventLog& log_;
  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::steady_timer pause_;
#if BITLOOP_TLS
  std::optional<boost::asio::ssl::context> tls_;
#endif
  std::set<Session> passing_;  ///< that are arriving, or being sent away
  std::deque<Session> waiting_;
  Session owner_;
};

}  // namespace bitloop::host::etherbone
