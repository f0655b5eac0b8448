#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <utility>

namespace bitloop::host::test {

/// A socket of this machine, as plainly as the system has it: for servers and wires that misbehave.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int handle) : handle_(handle) {}
  Socket(Socket&& other) noexcept : handle_(std::exchange(other.handle_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Socket() {
    if (handle_ >= 0) ::close(handle_);
  }

  /// Bound to a free port of 127.0.0.1, or to the one given; `kind` is SOCK_STREAM (then it listens) or
  /// SOCK_DGRAM.
  static Socket bound(int kind, std::uint16_t port = 0) {
    Socket socket(::socket(AF_INET, kind | SOCK_CLOEXEC, 0));
    const int yes = 1;
    ::setsockopt(socket.handle_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    const sockaddr_in address = local(port);
    if (::bind(socket.handle_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        (kind == SOCK_STREAM && ::listen(socket.handle_, 16) != 0)) {
      throw std::runtime_error("no socket");
    }
    return socket;
  }
  static Socket connected(int kind, std::uint16_t port) {
    Socket socket(::socket(AF_INET, kind | SOCK_CLOEXEC, 0));
    const sockaddr_in address = local(port);
    if (::connect(socket.handle_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      throw std::runtime_error("no connection");
    }
    socket.at_once();
    return socket;
  }
  /// An empty one where nobody came within `milliseconds`.
  [[nodiscard]] Socket accept(int milliseconds) const {
    if (!readable(milliseconds)) return Socket();
    Socket socket(::accept4(handle_, nullptr, nullptr, SOCK_CLOEXEC));
    socket.at_once();
    return socket;
  }

  /// As on a narrow way: a window of so many bytes, in segments of a tenth of it.
  void narrow(int window) const {
    const int segment = window / 10;
    ::setsockopt(handle_, SOL_SOCKET, SO_RCVBUF, &window, sizeof window);
    ::setsockopt(handle_, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment);
  }

  [[nodiscard]] bool open() const { return handle_ >= 0; }
  [[nodiscard]] int handle() const { return handle_; }
  [[nodiscard]] std::uint16_t port() const {
    sockaddr_in address{};
    socklen_t bytes = sizeof address;
    ::getsockname(handle_, reinterpret_cast<sockaddr*>(&address), &bytes);
    return ntohs(address.sin_port);
  }
  [[nodiscard]] bool readable(int milliseconds) const {
    pollfd descriptor{handle_, POLLIN, 0};
    return ::poll(&descriptor, 1, milliseconds) > 0;
  }
  /// 0 or less at the end.
  std::ptrdiff_t receive(std::span<std::byte> room) const {
    return ::recv(handle_, room.data(), room.size(), 0);
  }
  bool send(std::span<const std::byte> bytes) const {
    while (!bytes.empty()) {
      const std::ptrdiff_t sent = ::send(handle_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes = bytes.subspan(static_cast<std::size_t>(sent));
    }
    return true;
  }
  void shut() const { ::shutdown(handle_, SHUT_RDWR); }

 private:
  static sockaddr_in local(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }
  void at_once() const {
    const int yes = 1;
    ::setsockopt(handle_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  }

  int handle_ = -1;
};

}  // namespace bitloop::host::test
