#pragma once

#include <cstdint>

#include "host/etherbone/served_device.h"

namespace bitloop::host::etherbone {

/// The sockets of a server, of one transport, and the clients that come by them.
class Listener {
 public:
  virtual ~Listener() = default;
  [[nodiscard]] virtual std::uint16_t port() const = 0;
  /// The device as its present client sees it; null where nobody has it.
  virtual ServedDevice* served() = 0;
  /// Sends all clients away and resets the device where one had it.
  virtual void close() = 0;
};

}  // namespace bitloop::host::etherbone
