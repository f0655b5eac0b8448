#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "host/device/device.h"
#include "host/driver/address.h"

namespace bitloop::host::etherbone {

/// Where a server listens: "HOST:PORT", "tcp://…", "tcp+tls://…" or "udp://…"; port 0 takes a free one.
struct ListenAddress {
  Scheme scheme = Scheme::tcp;
  std::string host = "127.0.0.1";
  std::uint16_t port = kDefaultPort;
};
ListenAddress parse_listen(std::string_view text);

struct ServerOptions {
  ListenAddress listen;
  TlsFiles tls;              ///< for tcp+tls
  bool insecure = false;     ///< allows plain connections from other machines
  bool bare = false;         ///< no service page: as a board without a server looks
  int waiting = 8;           ///< clients that may wait for the device; further ones are sent away
  double idle_seconds = 30;  ///< UDP: a client that says nothing for so long has gone
  std::function<void(const std::string&)> log;  ///< a line per event: who came, who went, what was refused
};

/// Serves one device to one client at a time, by TCP (the others wait and are told who has it) or UDP.
/// A client that goes away, or whose machine vanishes, frees the device; it is reset before the next one.
/// Whatever comes from the network is bounded: packets, queues, clients, addresses (service.h).
///
/// The device runs in the thread that calls `run`, between packets: nothing else may use it meanwhile.
class Server {
 public:
  /// Listens at once. Throws InputError for an address that is neither loopback nor TLS without `insecure`,
  /// and DeviceError where the port cannot be had.
  Server(Device& device, const ServerOptions& options);
  ~Server();

  [[nodiscard]] std::uint16_t port() const;
  /// Serves until `stop`. Errors of clients end their connection, not the server.
  void run();
  /// From any thread, or a signal handler.
  void stop() noexcept;

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace bitloop::host::etherbone
