#include "host/etherbone/server.h"

#include <fmt/format.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/system/system_error.hpp>
#include <chrono>
#include <exception>
#include <thread>
#include <utility>

#include "host/base/error.h"
#include "host/etherbone/alertness.h"
#include "host/etherbone/event_log.h"
#include "host/etherbone/listener.h"
#include "host/etherbone/tcp_listener.h"
#include "host/etherbone/udp_listener.h"

namespace bitloop::host::etherbone {
namespace {

namespace asio = boost::asio;

/// The address to listen at; refused where anybody could come in.
asio::ip::address resolve(asio::io_context& context, const ServerOptions& options) {
  const ListenAddress& listen = options.listen;
  asio::ip::tcp::resolver resolver(context);
  boost::system::error_code error;
  const auto found = resolver.resolve(listen.host, "", asio::ip::tcp::resolver::passive, error);
  if (error || found.empty()) {
    throw InputError(fmt::format("cannot listen at '{}': {}; name an address of this machine", listen.host,
                                 error ? error.message() : "no such host"));
  }
  const asio::ip::address address = found.begin()->endpoint().address();
  if (!address.is_loopback() && listen.scheme != Scheme::tcp_tls && !options.insecure) {
    throw InputError(fmt::format(
        "listening at {} would let any machine use the device: listen at 127.0.0.1, by tcp+tls:// with "
        "certificates, or say --insecure",
        listen.host));
  }
  return address;
}

std::unique_ptr<Listener> make_listener(asio::io_context& context, Device& device,
                                        const ServerOptions& options, EventLog& log) {
  const ListenAddress& listen = options.listen;
#if !BITLOOP_TLS
  if (listen.scheme == Scheme::tcp_tls) throw InputError("tcp+tls: this program was built without TLS");
#endif
  const asio::ip::address address = resolve(context, options);
  try {
    if (listen.scheme == Scheme::udp) {
      return std::make_unique<UdpListener>(context, address, device, options, log);
    }
    return std::make_unique<TcpListener>(context, address, device, options, log);
  } catch (const boost::system::system_error& e) {
    throw DeviceError(fmt::format("cannot listen at {} port {}: {}; choose another port, or 0 for a free one",
                                  listen.host, listen.port, e.code().message()));
  }
}

}  // namespace

class Server::Implementation {
 public:
  Implementation(Device& device, const ServerOptions& options)
      : options_(options),
        log_(options.log),
        wake_(context_, wake_descriptor()),
        listener_(make_listener(context_, device, options_, log_)) {}

  [[nodiscard]] std::uint16_t port() const { return listener_->port(); }

  void run() {
    wake_.async_wait(asio::posix::stream_descriptor::wait_read, [](const auto&) {});
    while (!stopping_) {
      try {
        turn();
      } catch (const std::exception& e) {  // no memory
        log_.line("{}", e.what());
      }
    }
    listener_->close();
  }

  void stop() noexcept {
    stopping_ = true;
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wake_.native_handle(), &one, sizeof one);
  }

 private:
  static constexpr int kEvents = 64;  ///< of the sockets, between two slices of a job

  static int wake_descriptor() {
    const int descriptor = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (descriptor < 0) throw DeviceError("cannot listen: this process has too many files open");
    return descriptor;
  }

  /// What the sockets brought; while a job runs, a slice of that.
  void turn() {
    ServedDevice* const served = listener_->served();
    if (served == nullptr || !served->running()) return await_packet();
    served->step();
    for (int i = 0; i < kEvents && context_.poll_one() > 0; ++i) {
    }
  }

  void await_packet() {
    const auto end = Clock::now() + kAlertness;
    do {
      if (context_.poll_one() > 0) return;
      std::this_thread::yield();
    } while (Clock::now() < end);
    context_.run_one();
  }

  using Clock = std::chrono::steady_clock;

  const ServerOptions options_;
  EventLog log_;
  asio::io_context context_{1};  // one thread
  asio::posix::stream_descriptor wake_;
  std::atomic<bool> stopping_{false};
  std::unique_ptr<Listener> listener_;
};

Server::Server(Device& device, const ServerOptions& options)
    : implementation_(std::make_unique<Implementation>(device, options)) {}
Server::~Server() = default;
std::uint16_t Server::port() const { return implementation_->port(); }
void Server::run() { implementation_->run(); }
void Server::stop() noexcept { implementation_->stop(); }

}  // namespace bitloop::host::etherbone
