// The daemon for a board's own processor: serves the accelerator to clients elsewhere.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <exception>
#include <fstream>
#include <span>
#include <string>

#include "host/base/error.h"
#include "host/board/daemon_options.h"
#include "host/board/memory_mapped_device.h"
#include "host/etherbone/server.h"
#include "host/etherbone/service.h"

namespace bitloop::host::board {
namespace {

std::atomic<etherbone::Server*> server_to_stop = nullptr;

extern "C" void stop_server(int) {
  if (etherbone::Server* const server = server_to_stop.load()) server->stop();
}

/// The processor's bus refused an access: what a missing bitstream or a stopped clock looks like from here.
extern "C" void report_bus_error(int) {
  constexpr char kText[] =
      "bitloopd: error: the bus refused an access to the accelerator; check that the bitstream is loaded, "
      "that "
      "its clock runs, and the address in the device tree\n";
  [[maybe_unused]] const auto written = write(STDERR_FILENO, kText, sizeof kText - 1);
  _exit(1);
}

void log(const std::string& line) { fmt::print(stderr, "bitloopd: {}\n", line); }

/// What the device tree calls this machine, as far as a service page holds it.
std::string board_model() {
  std::ifstream file("/proc/device-tree/model");
  std::string model;
  std::getline(file, model, '\0');
  model.resize(std::min(model.size(), etherbone::service::kMemoryNameBytes - 1));
  return model.empty() ? "board" : model;
}

void serve(const DaemonOptions& options) {
  const auto device = open_uio_device(options.uio, options.buffer, options.clock_hz,
                                      options.name ? *options.name : board_model());
  device->reset();  // whatever an earlier program left running
  etherbone::ServerOptions server_options = options.server;
  server_options.log = log;
  etherbone::Server server(*device, server_options);
  const HardwareInfo& info = device->info();
  log(fmt::format("{} ({}, {} bytes of memory at {:#x}, {:.0f} Hz, fingerprint {}) on {}:{}", info.memory,
                  info.name, device->memory_size(), device->memory_base(), info.clock_hz, info.fingerprint,
                  options.server.listen.host, server.port()));
  server_to_stop = &server;
  std::signal(SIGTERM, stop_server);
  std::signal(SIGINT, stop_server);
  server.run();
  std::signal(SIGTERM, SIG_DFL);
  std::signal(SIGINT, SIG_DFL);
  server_to_stop = nullptr;
  log("ended");
}

}  // namespace
}  // namespace bitloop::host::board

int main(int count, char** arguments) {
  using namespace bitloop::host::board;
  try {
    const auto options = parse_daemon_options(std::span<const char* const>(arguments + 1, arguments + count));
    if (options.help) {
      fmt::print("{}", kDaemonHelp);
      return 0;
    }
    std::signal(SIGBUS, report_bus_error);
    serve(options);
    return 0;
  } catch (const bitloop::InputError& error) {
    fmt::print(stderr, "bitloopd: error: {}\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    fmt::print(stderr, "bitloopd: error: {}\n", error.what());
    return 1;
  }
}
