#pragma once

#include <atomic>
#include <functional>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "host/etherbone/served_device.h"
#include "tests/host/etherbone/sockets.h"

namespace bitloop::host::test {

/// A TCP server that treats every connection, one after the other, as `serve` says. It must return when
/// `ends` is true, which it is told at least every 20 ms if it waits with `Socket::readable(20)`.
class FakeServer {
 public:
  using Serve = std::function<void(const Socket& client, const std::atomic<bool>& ends)>;

  /// `window`: bytes that may lie at the server before it reads them; 0: as many as the system likes.
  explicit FakeServer(Serve serve, int window = 0)
      : listener_(Socket::bound(SOCK_STREAM)), thread_([this, serve = std::move(serve), window] {
          if (window > 0) listener_.narrow(window);
          while (!ends_) {
            const Socket client = listener_.accept(20);
            if (client.open()) serve(client, ends_);
          }
        }) {}
  ~FakeServer() {
    ends_ = true;
    thread_.join();
  }
  FakeServer(const FakeServer&) = delete;
  FakeServer& operator=(const FakeServer&) = delete;

  [[nodiscard]] std::uint16_t port() const { return listener_.port(); }

 private:
  std::atomic<bool> ends_ = false;
  Socket listener_;
  std::thread thread_;
};

/// Sends `banner`, then answers as a board without a service page, each reply changed by `change`.
inline FakeServer::Serve bare_board(
    Device& device, std::string_view banner,
    std::function<void(std::vector<std::byte>& replies)> change = [](auto&) {}) {
  return [&device, banner, change = std::move(change)](const Socket& client, const std::atomic<bool>& ends) {
    client.send(std::as_bytes(std::span(banner)));
    etherbone::ServedDevice served(device, {.bare = true});
    std::vector<std::byte> input;
    std::vector<std::byte> replies;
    while (!ends) {
      if (!client.readable(20)) continue;
      std::byte room[4096];
      const std::ptrdiff_t bytes = client.receive(room);
      if (bytes <= 0) return;
      input.insert(input.end(), room, room + bytes);
      const auto taken = served.take(input, replies);
      if (taken.foreign != nullptr) return;
      input.erase(input.begin(), input.begin() + static_cast<std::ptrdiff_t>(taken.bytes));
      if (replies.empty()) continue;
      change(replies);
      if (!client.send(replies)) return;
      replies.clear();
    }
  };
}

}  // namespace bitloop::host::test
