#include <fmt/format.h>

#include <csignal>
#include <nlohmann/json.hpp>

#include "agent/cli/verbs.h"
#include "agent/console/table.h"
#include "host/base/error.h"
#include "host/etherbone/server.h"
#include "sim/sim_device.h"

namespace bitloop::cli {

namespace {

constexpr const char* kAboutServe =
    R"(usage: bitloop serve [--listen HOST:PORT] [--device sim] [options]

Serves a device to other programs by Etherbone: one client at a time, the others wait. What another machine's
--device tcp://HOST:PORT reaches is this device, by the path that a board takes. Runs until Ctrl-C.

  bitloop serve --listen 127.0.0.1:1234 --device sim     the Verilated accelerator, for this machine
  bitloop serve --listen 127.0.0.1:0 --format json       a free port, told as JSON: {"listen","port",...}
  bitloop serve --listen udp://127.0.0.1:1234            by UDP, as a board without a processor answers
  bitloop serve --listen tcp+tls://0.0.0.0:1234 --ca ca.pem --cert server.pem --key server.key
                                                         for other machines: both ends prove who they are
)";

/// SIGINT and SIGTERM stop the server, as long as this lives. One at a time.
class StopOnSignal {
 public:
  explicit StopOnSignal(host::etherbone::Server& server) {
    server_ = &server;
    for (const int signal : {SIGINT, SIGTERM}) std::signal(signal, [](int) { server_->stop(); });
  }
  ~StopOnSignal() {
    for (const int signal : {SIGINT, SIGTERM}) std::signal(signal, SIG_DFL);
  }
  StopOnSignal(const StopOnSignal&) = delete;
  StopOnSignal& operator=(const StopOnSignal&) = delete;

 private:
  static inline host::etherbone::Server* server_ = nullptr;  // a handler knows nothing else
};

std::string scheme_name(host::Scheme scheme) {
  return scheme == host::Scheme::udp ? "udp" : scheme == host::Scheme::tcp_tls ? "tcp+tls" : "tcp";
}

host::etherbone::ServerOptions server_options(const console::Options& options) {
  host::etherbone::ServerOptions server;
  server.listen = host::etherbone::parse_listen(options.text_of("listen"));
  const bool tls = server.listen.scheme == host::Scheme::tcp_tls;
  for (const auto& [name, file] : {std::pair{"ca", &server.tls.authority},
                                   {"cert", &server.tls.certificate},
                                   {"key", &server.tls.key}}) {
    if (options.has(name) != tls) {
      throw InputError(fmt::format("--ca, --cert and --key go with --listen tcp+tls://HOST:PORT: {} --{}",
                                   tls ? "give" : "leave out", name));
    }
    if (tls) *file = options.text_of(name);
  }
  server.insecure = options.is_set("insecure");
  server.bare = options.is_set("bare");
  server.waiting = static_cast<int>(options.integer_of("waiting", 0, 1000));
  server.idle_seconds = options.number_of("idle", 0.1, 86'400);
  server.log = [](const std::string& line) { fmt::print(stderr, "bitloop serve: {}\n", line); };
  return server;
}

std::unique_ptr<host::Device> open_device(const console::Options& options) {
  const console::DeviceChoice choice = console::device_choice(options);
  if (!options.is_set("timing-only")) return console::open_device(choice.device, choice);
  console::require_name("device with --timing-only", choice.device, {"sim"});
  return sim::make_sim_device(choice.hardware, sim::parse_memory(choice.memory), {}, sim::Detail::timing);
}

}  // namespace

int serve(const console::Arguments& arguments) {
  console::Options options("serve", kAboutServe);
  options.text("listen", "127.0.0.1:1234",
               "HOST:PORT, tcp+tls://HOST:PORT or udp://HOST:PORT; port 0: a free one");
  options.device_options();
  options.flag("timing-only", "count cycles only, several times as fast: what jobs compute is meaningless");
  options.flag("bare", "no service page: as a board looks that LiteX serves");
  options.integer("waiting", 8, "clients that may wait for the device; further ones are sent away");
  options.number("idle", 30, "seconds after which a UDP client that says nothing has gone");
  options.text("ca", "PEM file of the authority that signs the clients' certificates (tcp+tls)");
  options.text("cert", "PEM file of this server's certificate (tcp+tls)");
  options.text("key", "PEM file of its key (tcp+tls)");
  options.format_option();
  if (!options.parse(arguments)) return 0;
  const auto format = console::parse_format(options.text_of("format"));
  const auto settings = server_options(options);
  const auto device = open_device(options);
  host::etherbone::Server server(*device, settings);
  const StopOnSignal stop(server);

  const host::HardwareInfo& info = device->info();
  const std::string& host = settings.listen.host;
  const std::string url = fmt::format("{}://{}:{}", scheme_name(settings.listen.scheme),
                                      host.find(':') == host.npos ? host : "[" + host + "]", server.port());
  if (format == console::Format::table) {
    console::print(fmt::format("serving {} (fingerprint {}) on {}: stop with Ctrl-C\n", info.name,
                               info.fingerprint, url));
  } else {
    const nlohmann::ordered_json json{{"listen", url},
                                      {"port", server.port()},
                                      {"hardware", info.name},
                                      {"fingerprint", info.fingerprint},
                                      {"memory", info.memory}};
    console::print(json.dump() + "\n");
  }
  server.run();
  return 0;
}

}  // namespace bitloop::cli
