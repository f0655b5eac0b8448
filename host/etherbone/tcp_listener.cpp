#include "host/etherbone/tcp_listener.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <boost/asio/socket_base.hpp>
#include <chrono>
#include <exception>
#include <utility>

#include "host/etherbone/service.h"
#include "host/etherbone/tls.h"

namespace bitloop::host::etherbone {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

/// A machine that vanished is noticed after 25 s: by probes where nothing is under way, and otherwise by what
/// it does not acknowledge.
constexpr int kKeepAliveIdle = 10;  // seconds
constexpr int kKeepAliveInterval = 5;
constexpr int kKeepAliveProbes = 3;
constexpr int kUserTimeout = 25'000;  // milliseconds

template <int Level, int Name>
void set_option(tcp::socket& socket, int value) {
  error_code ignored;  // a socket that is gone already is noticed by its first read
  socket.set_option(asio::detail::socket_option::integer<Level, Name>(value), ignored);
}

void prepare(tcp::socket& socket) {
  set_option<IPPROTO_TCP, TCP_NODELAY>(socket, 1);
  set_option<SOL_SOCKET, SO_KEEPALIVE>(socket, 1);
  set_option<IPPROTO_TCP, TCP_KEEPIDLE>(socket, kKeepAliveIdle);
  set_option<IPPROTO_TCP, TCP_KEEPINTVL>(socket, kKeepAliveInterval);
  set_option<IPPROTO_TCP, TCP_KEEPCNT>(socket, kKeepAliveProbes);
  set_option<IPPROTO_TCP, TCP_USER_TIMEOUT>(socket, kUserTimeout);
}

}  // namespace

TcpListener::TcpListener(asio::io_context& context, const asio::ip::address& address, Device& device,
                         const ServerOptions& options, EventLog& log)
    : device_(device),
      options_(options),
      log_(log),
      acceptor_(context, tcp::endpoint(address, options.listen.port)),
      pause_(context) {
#if BITLOOP_TLS
  if (options.listen.scheme == Scheme::tcp_tls) tls_.emplace(make_tls_context(options.tls, true));
#endif
  accept();
}

void TcpListener::accept() {
  acceptor_.async_accept([this](const error_code& error, tcp::socket socket) {
    if (!acceptor_.is_open()) return;
    if (!error) {
      accept();  // in the memory of the one that ended; what `take` throws (no memory) must not end it
      return take(std::move(socket));
    }
    // Out of descriptors, or the client left before it came: soon again.
    pause_.expires_after(std::chrono::milliseconds(100));
    pause_.async_wait([this](const error_code& cancelled) {
      if (!cancelled) accept();
    });
  });
}

std::unique_ptr<Wire> TcpListener::make_wire(tcp::socket socket) {
#if BITLOOP_TLS
  if (tls_) return make_tls_wire(std::move(socket), *tls_);
#endif
  return make_plain_wire(std::move(socket));
}

void TcpListener::take(tcp::socket socket) {
  if (passing_.size() >= kArriving) {
    log_.line("a client was turned away: too many come at once");
    return;
  }
  prepare(socket);
  const auto session = std::make_shared<TcpSession>(
      make_wire(std::move(socket)),
      TcpSession::Events{
          .arrived = [this](const Session& who) { arrived(who); },
          .gone = [this](const Session& who, std::string_view why) { gone(who, why); },
      });
  passing_.insert(session);
  session->start();
}

void TcpListener::arrived(const Session& session) {
  if (!owner_) {
    passing_.erase(session);
    return give_device(session);
  }
  if (waiting_.size() >= static_cast<std::size_t>(std::max(options_.waiting, 0))) {
    log_.line("{} was sent away: {} has the device and {} wait", session->name(), owner_->name(),
              waiting_.size());
    return session->send_away(banner("busy"));
  }
  passing_.erase(session);
  log_.line("{} waits for {}, {} before it", session->name(), owner_->name(), waiting_.size());
  const std::string line = banner("busy");
  waiting_.push_back(session);
  session->wait(line);
}

void TcpListener::give_device(const Session& session) {
  owner_ = session;
  session->attempt([&] {
    log_.line("{} has the device", session->name());
    session->serve(device_, {.bare = options_.bare, .datagrams = false}, banner("ready"));
  });
}

/// A bare server greets as litex_server does, without a line's end, and only the one that it serves.
std::string TcpListener::banner(const char* state) const {
  if (options_.bare) return std::string_view(state) == "ready" ? "CommUDP:localhost:1234" : "";
  const std::string start = fmt::format("{}{} {}", service::kBannerStart, service::kVersionValue, state);
  if (std::string_view(state) == "ready") return start + "\n";
  return fmt::format("{} owner={} seconds={:.0f} waiting={}\n", start, owner_->name(), owner_->seconds(),
                     waiting_.size());
}

/// Throws nothing, also where there is no memory left: the device goes on to the next in any case.
void TcpListener::gone(const Session& session, std::string_view why) {
  passing_.erase(session);
  std::erase(waiting_, session);
  if (session == owner_) free_device();
  const ServedDevice* const served = session->served();  // null where it failed before it was served
  if (served == nullptr) {
    log_.line("{} went: {}", session->name(), why);
  } else if (served->refusals() == 0) {
    log_.line("{} went after {:.1f} s: {}", session->name(), session->seconds(), why);
  } else {
    log_.line("{} went after {:.1f} s: {}; {} accesses were refused, the last: {}", session->name(),
              session->seconds(), why, served->refusals(), served->refusal());
  }
  if (owner_ || waiting_.empty()) return;
  const Session next = waiting_.front();
  waiting_.pop_front();
  give_device(next);
}

void TcpListener::free_device() {
  owner_ = nullptr;
  try {
    device_.reset();
  } catch (const std::exception& e) {
    log_.line("the device could not be reset: {}", e.what());
  }
}

void TcpListener::close() {
  error_code ignored;
  acceptor_.close(ignored);
  pause_.cancel();
  for (const Session& session : passing_) session->close();
  for (const Session& session : waiting_) session->close();
  passing_.clear();
  waiting_.clear();
  if (!owner_) return;
  owner_->close();
  free_device();
}

}  // namespace bitloop::host::etherbone
