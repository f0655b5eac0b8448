#pragma once

#include <fmt/format.h>

#include <atomic>
#include <functional>
#include <memory>
#include <thread>

#include "host/driver/address.h"
#include "host/etherbone/server.h"

namespace bitloop::host::test {

/// A server in a thread of its own, on a free port of this machine. The device must outlive it.
class RunningServer {
 public:
  explicit RunningServer(Device& device, Scheme scheme = Scheme::tcp,
                         const std::function<void(etherbone::ServerOptions&)>& change = {}) {
    etherbone::ServerOptions options;
    options.listen.scheme = scheme;
    options.listen.port = 0;
    if (change) change(options);
    server_ = std::make_unique<etherbone::Server>(device, options);
    thread_ = std::thread([this] { server_->run(); });
  }
  ~RunningServer() {
    server_->stop();
    thread_.join();
  }
  RunningServer(const RunningServer&) = delete;
  RunningServer& operator=(const RunningServer&) = delete;

  [[nodiscard]] std::uint16_t port() const { return server_->port(); }

 private:
  std::unique_ptr<etherbone::Server> server_;
  std::thread thread_;
};

/// Where a bare server has what: as every server, and an emulator behind it sees its memory from 0 on.
inline std::string bare_options(Address memory_bytes) {
  return fmt::format("registers=0&memory={:#x}&size={}&base=0", 0x4000'0000, memory_bytes);
}

}  // namespace bitloop::host::test
