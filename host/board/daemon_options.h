#pragma once

#include <optional>
#include <span>
#include <string>

#include "host/etherbone/server.h"

namespace bitloop::host::board {

/// What `bitloopd` was asked to do.
struct DaemonOptions {
  bool help = false;
  std::string uio = "bitloop";  ///< UIO device, by its own name or the device tree's
  std::string buffer = "udmabuf0";
  double clock_hz = 100e6;
  std::optional<std::string> name;  ///< of board and memory; without it the device tree's model
  etherbone::ServerOptions server;
};

/// Throws InputError for whatever it does not know.
DaemonOptions parse_daemon_options(std::span<const char* const> arguments);

extern const char* const kDaemonHelp;

}  // namespace bitloop::host::board
