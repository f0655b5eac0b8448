#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstddef>
#include <functional>
#include <memory>

namespace boost::asio::ssl {
class context;
}

namespace bitloop::host::etherbone {

/// One TCP connection of a server, plain or encrypted. Handlers are called by the socket's io_context, never
/// from within the call.
class Wire {
 public:
  using Done = std::function<void(const boost::system::error_code&, std::size_t)>;
  virtual ~Wire() = default;

  /// Where encrypted: both ends prove who they are.
  virtual void open(Done done) = 0;
  virtual void read_some(boost::asio::mutable_buffer to, Done done) = 0;
  virtual void write(boost::asio::const_buffer all, Done done) = 0;
  virtual boost::asio::ip::tcp::socket& socket() = 0;
};

std::unique_ptr<Wire> make_plain_wire(boost::asio::ip::tcp::socket socket);
#if BITLOOP_TLS
std::unique_ptr<Wire> make_tls_wire(boost::asio::ip::tcp::socket socket, boost::asio::ssl::context& context);
#endif

}  // namespace bitloop::host::etherbone
