#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <mutex>
#include <thread>
#include <vector>

#include "tests/host/etherbone/sockets.h"

namespace bitloop::host::test {

/// A wire between client and server that may do wrong: all that crosses goes through `pass`.
class TcpProxy {
 public:
  enum class Way { to_server, to_client };
  /// May change the bytes; false cuts the connection. Called by one thread at a time.
  using Pass = std::function<bool(Way way, std::vector<std::byte>& bytes)>;

  TcpProxy(std::uint16_t server, Pass pass, std::size_t piece = 65536)
      : server_(server), pass_(std::move(pass)), piece_(piece), listener_(Socket::bound(SOCK_STREAM)) {
    threads_.emplace_back([this] { accept_all(); });
  }
  ~TcpProxy() {
    ends_ = true;
    for (std::size_t i = 0;; ++i) {
      std::thread* thread = nullptr;
      {
        const std::lock_guard lock(mutex_);
        if (i == threads_.size()) break;
        thread = &*std::next(threads_.begin(), static_cast<std::ptrdiff_t>(i));
      }
      thread->join();
    }
  }
  TcpProxy(const TcpProxy&) = delete;
  TcpProxy& operator=(const TcpProxy&) = delete;

  [[nodiscard]] std::uint16_t port() const { return listener_.port(); }
  /// Where further connections go.
  void redirect(std::uint16_t server) { server_ = server; }

 private:
  struct Pair {
    Socket client;
    Socket server;
  };

  void accept_all() {
    while (!ends_) {
      Socket client = listener_.accept(20);
      if (!client.open()) continue;
      try {
        auto pair = std::make_shared<Pair>(Pair{std::move(client), Socket::connected(SOCK_STREAM, server_)});
        const std::lock_guard lock(mutex_);
        threads_.emplace_back([this, pair] { pump(*pair, pair->client, pair->server, Way::to_server); });
        threads_.emplace_back([this, pair] { pump(*pair, pair->server, pair->client, Way::to_client); });
      } catch (const std::exception&) {  // the server is not there: neither are we
      }
    }
  }

  void pump(const Pair& pair, const Socket& from, const Socket& to, Way way) {
    std::vector<std::byte> bytes;
    while (!ends_) {
      if (!from.readable(20)) continue;
      bytes.resize(piece_);
      const std::ptrdiff_t count = from.receive(bytes);
      if (count <= 0) break;
      bytes.resize(static_cast<std::size_t>(count));
      {
        const std::lock_guard lock(mutex_);
        if (!pass_(way, bytes)) break;
      }
      if (!to.send(bytes)) break;
    }
    pair.client.shut();
    pair.server.shut();
  }

  std::atomic<std::uint16_t> server_;
  Pass pass_;
  std::size_t piece_;
  Socket listener_;
  std::atomic<bool> ends_ = false;
  std::mutex mutex_;
  std::list<std::thread> threads_;
};

}  // namespace bitloop::host::test
