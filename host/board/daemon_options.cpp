#include "host/board/daemon_options.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "host/base/error.h"

namespace bitloop::host::board {

const char* const kDaemonHelp = R"(usage: bitloopd [options]

Serves the accelerator of the board that it runs on to `bitloop --device tcp://BOARD:PORT` (Etherbone).
It needs the accelerator's registers as a UIO device, with its interrupt, and a u-dma-buf buffer below 4 GiB;
rtl/boards/zynq/README.md shows the device tree.

  --device uio:NAME   UIO device: uio0, ... or the name that the device tree gives it (default uio:bitloop)
  --buffer NAME       u-dma-buf buffer that jobs lie in (default udmabuf0)
  --clock HZ          the accelerator's clock, e.g. 100e6 (the default): turns cycles into time
  --name TEXT         names board and memory: what measured cycles are filed under, with the clock
                      (default: the model in the device tree)
  --listen HOST:PORT  where to serve (default 127.0.0.1:1234); udp://HOST:PORT serves by UDP
  --ca FILE --cert FILE --key FILE
                      TLS, both ends with certificates (PEM): then --listen may be any address, and clients
                      say tcp+tls://
  --insecure          serves any address without TLS: whoever reaches the port owns the board
  --help              this text

From another machine without certificates: keep the default and run there `ssh -N -L 1234:127.0.0.1:1234 BOARD`,
then `bitloop devices tcp://127.0.0.1:1234`.
SIGTERM ends it. Exit status: 0 ended by a signal, 1 failed, 2 bad usage.
)";

namespace {

constexpr std::string_view kUio = "uio:";

double parse_clock(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !std::isfinite(value) || value < 1 || value > 10e9) {
    throw InputError(fmt::format("--clock {}: give the accelerator's clock in Hz, such as 100e6", text));
  }
  return value;
}

std::string parse_uio(const std::string& text) {
  if (!text.starts_with(kUio) || text.size() == kUio.size()) {
    throw InputError(
        fmt::format("--device {}: bitloopd serves the board that it runs on; give uio:NAME", text));
  }
  return text.substr(kUio.size());
}

using Take = void (*)(DaemonOptions& options, const std::string& value);

/// Options that take a value.
constexpr std::pair<std::string_view, Take> kOptions[] = {
    {"--device", [](DaemonOptions& o, const std::string& value) { o.uio = parse_uio(value); }},
    {"--buffer", [](DaemonOptions& o, const std::string& value) { o.buffer = value; }},
    {"--clock", [](DaemonOptions& o, const std::string& value) { o.clock_hz = parse_clock(value); }},
    {"--name", [](DaemonOptions& o, const std::string& value) { o.name = value; }},
    {"--listen",
     [](DaemonOptions& o, const std::string& value) { o.server.listen = etherbone::parse_listen(value); }},
    {"--ca", [](DaemonOptions& o, const std::string& value) { o.server.tls.authority = value; }},
    {"--cert", [](DaemonOptions& o, const std::string& value) { o.server.tls.certificate = value; }},
    {"--key", [](DaemonOptions& o, const std::string& value) { o.server.tls.key = value; }},
};

Take find_option(std::string_view name) {
  for (const auto& [known, take] : kOptions) {
    if (name == known) return take;
  }
  throw InputError(fmt::format("unknown option '{}'; bitloopd --help lists them", name));
}

/// All three files, or none of them.
void check_tls(etherbone::ServerOptions& server) {
  const TlsFiles& tls = server.tls;
  const int given = !tls.authority.empty() + !tls.certificate.empty() + !tls.key.empty();
  if (given == 0 && server.listen.scheme != Scheme::tcp_tls) return;
  if (given != 3) throw InputError("TLS takes --ca, --cert and --key together");
  if (server.listen.scheme == Scheme::udp)
    throw InputError("TLS is for TCP: give --listen HOST:PORT without udp://");
  server.listen.scheme = Scheme::tcp_tls;
}

}  // namespace

DaemonOptions parse_daemon_options(std::span<const char* const> arguments) {
  DaemonOptions options;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view argument = arguments[i];
    if (argument == "--help" || argument == "-h") {
      options.help = true;
      return options;
    }
    if (argument == "--insecure") {
      options.server.insecure = true;
      continue;
    }
    const std::size_t equals = argument.find('=');
    const Take take = find_option(argument.substr(0, equals));
    if (equals != std::string_view::npos) {
      take(options, std::string(argument.substr(equals + 1)));
    } else if (i + 1 < arguments.size()) {
      take(options, arguments[++i]);
    } else {
      throw InputError(fmt::format("option {} needs a value; bitloopd --help tells which", argument));
    }
  }
  check_tls(options.server);
  return options;
}

}  // namespace bitloop::host::board
