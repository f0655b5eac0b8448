#include "host/etherbone/tcp_connection.h"

#include <fmt/format.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "host/base/error.h"
#include "host/etherbone/alertness.h"
#include "host/etherbone/resolve.h"
#include "host/etherbone/tls.h"

#if BITLOOP_TLS
#include <openssl/err.h>
#include <openssl/sslerr.h>

#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#endif

namespace bitloop::host::etherbone {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using Clock = TcpConnection::Clock;

/// Lets one operation that `start` begins run until it ends or `until`; false where time ran out.
template <class Start>
bool complete(asio::io_context& context, Clock::time_point until, const Start& start) {
  bool done = false;
  start([&done](auto&&...) { done = true; });
  context.restart();
  while (!done && context.run_one_until(until) > 0) {
  }
  return done;
}

tcp::socket connect_socket(asio::io_context& context, const DeviceAddress& address, Clock::time_point until) {
  std::vector<tcp::endpoint> endpoints;
  for (const auto& host : resolve_host(address, until)) endpoints.emplace_back(host, address.port);
  tcp::socket socket(context);
  error_code error;
  const bool ended = complete(context, until, [&](auto done) {
    asio::async_connect(socket, endpoints, [&, done](const error_code& result, const tcp::endpoint&) {
      error = result;
      done();
    });
  });
  if (!ended) {
    throw DeviceLost(
        fmt::format("{} did not take the connection within {:g} s; is the address right, or a "
                    "longer time needed (connect=SECONDS)?",
                    peer_name(address), address.connect_timeout.count()));
  }
  if (error) {
    throw DeviceLost(fmt::format("{} cannot be connected to ({}); does a server run there?",
                                 peer_name(address), error.message()));
  }
  socket.set_option(tcp::no_delay(true));
  return socket;
}

template <class Stream>
class StreamConnection final : public TcpConnection {
 public:
  template <class... Arguments>
  StreamConnection(std::string name, std::unique_ptr<asio::io_context> context, Arguments&&... arguments)
      : TcpConnection(std::move(name), std::move(context)), stream_(std::forward<Arguments>(arguments)...) {}

  Stream& stream() { return stream_; }

 protected:
  int descriptor() const override {
    return const_cast<Stream&>(stream_).lowest_layer().native_handle();  // which changes nothing
  }
  void start_write(std::span<const std::byte> bytes) override {
    stream_.async_write_some(asio::buffer(bytes.data(), bytes.size()),
                             [this](const error_code& error, std::size_t count) { written(error, count); });
  }
  void start_read(std::span<std::byte> room) override {
    stream_.async_read_some(asio::buffer(room.data(), room.size()),
                            [this](const error_code& error, std::size_t count) { has_read(error, count); });
  }

 private:
  Stream stream_;
};

#if BITLOOP_TLS
/// A stream with the context that it needs.
struct TlsStream {
  TlsStream(asio::ssl::context own, tcp::socket socket)
      : context(std::move(own)), stream(std::move(socket), context) {}

  auto& lowest_layer() { return stream.lowest_layer(); }
  template <class Buffer, class Handler>
  void async_write_some(const Buffer& buffer, Handler&& handler) {
    stream.async_write_some(buffer, std::forward<Handler>(handler));
  }
  template <class Buffer, class Handler>
  void async_read_some(const Buffer& buffer, Handler&& handler) {
    stream.async_read_some(buffer, std::forward<Handler>(handler));
  }

  asio::ssl::context context;
  asio::ssl::stream<tcp::socket> stream;
};

std::unique_ptr<TcpConnection> open_tls(const DeviceAddress& address, Clock::time_point until) {
  asio::ssl::context tls = make_tls_context(address.tls, false);
  auto context = std::make_unique<asio::io_context>(1);
  asio::io_context& runs = *context;
  tcp::socket socket = connect_socket(runs, address, until);
  auto connection = std::make_unique<StreamConnection<TlsStream>>(peer_name(address), std::move(context),
                                                                  std::move(tls), std::move(socket));
  auto& stream = connection->stream().stream;
  // Shared with the callback, which lives as long as the stream.
  const auto other_name = std::make_shared<bool>(false);
  stream.set_verify_callback([name = asio::ssl::host_name_verification(address.host), other_name](
                                 bool trusted, asio::ssl::verify_context& certificate) {
    const bool accepted = name(trusted, certificate);
    *other_name = trusted && !accepted;
    return accepted;
  });
  error_code error;
  const bool ended = complete(runs, until, [&](auto done) {
    stream.async_handshake(asio::ssl::stream_base::client, [&, done](const error_code& result) {
      error = result;
      done();
    });
  });
  if (!ended) {
    throw DeviceLost(
        fmt::format("{} did not answer in TLS within {:g} s; does it speak TLS, or is a longer time "
                    "needed (connect=SECONDS)?",
                    peer_name(address), address.connect_timeout.count()));
  }
  if (!error) return connection;
  if (error.category() != asio::error::get_ssl_category()) {
    throw DeviceLost(
        fmt::format("{} ended the connection while TLS began ({})", peer_name(address), error.message()));
  }
  if (ERR_GET_REASON(static_cast<unsigned long>(error.value())) == SSL_R_WRONG_VERSION_NUMBER) {
    throw DeviceError(fmt::format(
        "{}: the server there does not speak TLS; use tcp:// where the way to it is trusted, or give "
        "the server certificates",
        peer_name(address)));
  }
  if (*other_name) {
    throw DeviceError(fmt::format(
        "{}: the server's certificate is not for {}; connect by a name that it holds, or issue it one "
        "for {}",
        peer_name(address), address.host, address.host));
  }
  const long verified = SSL_get_verify_result(stream.native_handle());
  throw DeviceError(fmt::format(
      "{}: TLS failed ({}{}{}); the server needs a certificate for {} that the authority {} signed",
      peer_name(address), error.message(), verified == X509_V_OK ? "" : ": ",
      verified == X509_V_OK ? "" : X509_verify_cert_error_string(verified), address.host,
      address.tls.authority.string()));
}
#endif

bool refused_by_tls([[maybe_unused]] const error_code& error) {
#if BITLOOP_TLS
  return error.category() == asio::error::get_ssl_category();
#else
  return false;
#endif
}

}  // namespace

TcpConnection::TcpConnection(std::string name, std::unique_ptr<asio::io_context> context)
    : name_(std::move(name)), buffer_(kBufferBytes), context_(std::move(context)) {}

std::size_t TcpConnection::unsent() const {
  int held = 0;
  if (::ioctl(descriptor(), SIOCOUTQ, &held) != 0) held = 0;
  return outgoing_.size() + static_cast<std::size_t>(std::max(held, 0));
}

bool TcpConnection::progress(Clock::time_point until) {
  if (!writing_ && !outgoing_.empty()) {
    writing_ = true;
    start_write(outgoing_);
  }
  if (!reading_) {
    std::memmove(buffer_.data(), buffer_.data() + consumed_, filled_ - consumed_);
    filled_ -= std::exchange(consumed_, 0);
    if (filled_ < buffer_.size()) {
      reading_ = true;
      start_read(std::span(buffer_).subspan(filled_));
    }
  }
  moved_ = false;
  context_->restart();
  const auto end = std::min(Clock::now() + kAlertness, until);
  do {
    if (context_->poll_one() == 0) std::this_thread::yield();
  } while (!moved_ && !error_ && Clock::now() < end);
  while (!moved_ && !error_) {
    if (context_->run_one_until(until) == 0) return false;
  }
  // What came before the end is still of use.
  if (moved_) return true;
  // Before the first byte it is the handshake's end that fails (TLS 1.3 refuses certificates only then).
  const bool refused = !heard_ && refused_by_tls(error_);
  const std::string what = error_ == asio::error::eof ? "the other end closed it" : error_.message();
  if (refused) {
    throw DeviceError(
        fmt::format("{}: TLS failed ({}); the server must know the authority that signed our "
                    "certificate (cert=)",
                    name_, what));
  }
  throw DeviceLost(fmt::format("{}: the connection was lost: {}", name_, what));
}

void TcpConnection::written(const error_code& error, std::size_t bytes) {
  writing_ = false;
  if (error) error_ = error;
  outgoing_ = outgoing_.subspan(bytes);
  moved_ = moved_ || bytes > 0;
}

void TcpConnection::has_read(const error_code& error, std::size_t bytes) {
  reading_ = false;
  if (error) error_ = error;
  filled_ += bytes;
  heard_ = heard_ || bytes > 0;
  moved_ = moved_ || bytes > 0;
}

std::unique_ptr<TcpConnection> open_tcp_connection(const DeviceAddress& address, Clock::time_point until) {
  if (address.scheme == Scheme::tcp_tls) {
#if BITLOOP_TLS
    return open_tls(address, until);
#else
    throw InputError(fmt::format("{}: this program was built without TLS", peer_name(address)));
#endif
  }
  auto context = std::make_unique<asio::io_context>(1);
  tcp::socket socket = connect_socket(*context, address, until);
  return std::make_unique<StreamConnection<tcp::socket>>(peer_name(address), std::move(context),
                                                         std::move(socket));
}

}  // namespace bitloop::host::etherbone
