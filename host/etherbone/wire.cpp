#include "host/etherbone/wire.h"

#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <utility>

#if BITLOOP_TLS
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/stream.hpp>
#endif

namespace bitloop::host::etherbone {
namespace {

namespace asio = boost::asio;
using Socket = asio::ip::tcp::socket;

class PlainWire final : public Wire {
 public:
  explicit PlainWire(Socket socket) : socket_(std::move(socket)) {}

  void open(Done done) override {
    asio::post(socket_.get_executor(), [done = std::move(done)] { done({}, 0); });
  }
  void read_some(asio::mutable_buffer to, Done done) override {
    socket_.async_read_some(asio::buffer(to), std::move(done));
  }
  void write(asio::const_buffer all, Done done) override {
    asio::async_write(socket_, asio::buffer(all), std::move(done));
  }
  Socket& socket() override { return socket_; }

 private:
  Socket socket_;
};

#if BITLOOP_TLS
class TlsWire final : public Wire {
 public:
  TlsWire(Socket socket, asio::ssl::context& context) : stream_(std::move(socket), context) {}

  void open(Done done) override {
    stream_.async_handshake(asio::ssl::stream_base::server,
                            [done = std::move(done)](const auto& error) { done(error, 0); });
  }
  void read_some(asio::mutable_buffer to, Done done) override {
    // Who closes without a word of TLS has closed: packets tell themselves where they end.
    stream_.async_read_some(asio::buffer(to), [done = std::move(done)](const auto& error, std::size_t bytes) {
      done(error == asio::ssl::error::stream_truncated ? asio::error::eof : error, bytes);
    });
  }
  void write(asio::const_buffer all, Done done) override {
    asio::async_write(stream_, asio::buffer(all), std::move(done));
  }
  Socket& socket() override { return stream_.next_layer(); }

 private:
  asio::ssl::stream<Socket> stream_;
};
#endif

}  // namespace

std::unique_ptr<Wire> make_plain_wire(Socket socket) {
  return std::make_unique<PlainWire>(std::move(socket));
}

#if BITLOOP_TLS
std::unique_ptr<Wire> make_tls_wire(Socket socket, asio::ssl::context& context) {
  return std::make_unique<TlsWire>(std::move(socket), context);
}
#endif

}  // namespace bitloop::host::etherbone
