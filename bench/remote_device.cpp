// What the way to a device costs over loopback, against the server in a process of its own: bulk write and
// read, and the round trip of a register. Targets by TCP: at least 400 MB/s both ways, at most 60
// microseconds. Medians; exit 1 where one is missed. usage: bench_remote_device
#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>
#include <vector>

#include "host/device/registers.h"
#include "host/etherbone/remote_device.h"
#include "host/etherbone/server.h"

using namespace bitloop;

namespace {

constexpr host::Address kMemoryBytes = host::Address{64} << 20;
bool all_reached = true;

/// Memory and registers without an accelerator: the device itself takes no time.
class Memory final : public host::Device {
 public:
  Memory() : bytes_(kMemoryBytes) {
    info_.fingerprint = "00000000000000000000000000000000";
    info_.memory = "none";
    info_.name = "default";
  }
  const host::HardwareInfo& info() const override { return info_; }
  host::Address memory_size() const override { return bytes_.size(); }
  void write_memory(host::Address address, std::span<const std::byte> bytes) override {
    std::memcpy(&bytes_[address], bytes.data(), bytes.size());
  }
  void read_memory(host::Address address, std::span<std::byte> bytes) override {
    std::memcpy(bytes.data(), &bytes_[address], bytes.size());
  }
  void write_register(std::uint32_t, std::uint32_t) override {}
  std::uint32_t read_register(std::uint32_t offset) override {
    namespace reg = host::registers;
    switch (offset) {
      case reg::kId:
        return reg::kIdValue;
      case reg::kRegmapHash:
        return reg::kRegmapHashValue;
      case reg::kConfigArray:
        return 0x0001'0001;
      case reg::kConfigActivation:
      case reg::kConfigWeight:
      case reg::kConfigParameter:
      case reg::kConfigChannel:
      case reg::kConfigStaging:
        return 1;
      default:
        return 0;
    }
  }
  bool wait_done(std::uint32_t, host::Cycles) override { return true; }
  void reset() override {}

 private:
  host::HardwareInfo info_;
  std::vector<std::byte> bytes_;
};

/// A server in a child process, which ends with this object.
class ServerProcess {
 public:
  explicit ServerProcess(host::Scheme scheme) {
    int ports[2];
    if (pipe(ports) != 0) throw Error("no pipe");
    child_ = fork();
    if (child_ == 0) {
      Memory memory;
      host::etherbone::ServerOptions options;
      options.listen.scheme = scheme;
      options.listen.port = 0;
      host::etherbone::Server server(memory, options);
      const std::uint16_t port = server.port();
      if (write(ports[1], &port, sizeof port) == sizeof port) server.run();
      _exit(0);
    }
    const bool started = read(ports[0], &port_, sizeof port_) == sizeof port_;
    close(ports[0]);
    close(ports[1]);
    if (!started) throw Error("the server did not start");
  }
  ~ServerProcess() {
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
  }
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  pid_t child_;
  std::uint16_t port_ = 0;
};

/// Median seconds of an action.
double median(int runs, const std::function<void()>& action) {
  std::vector<double> times;
  for (int i = 0; i < runs; ++i) {
    const auto start = std::chrono::steady_clock::now();
    action();
    times.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  std::nth_element(times.begin(), times.begin() + runs / 2, times.end());
  return times[static_cast<std::size_t>(runs / 2)];
}

void verdict(bool has_target, bool reached) {
  fmt::print("{}\n", !has_target ? "" : reached ? "  reached" : "  MISSED");
  all_reached = all_reached && (!has_target || reached);
}

void measure(const char* name, const std::string& text, std::size_t bytes, bool has_target) {
  const auto device = host::etherbone::open_remote_device(host::parse_device(text));
  std::vector<std::byte> data(bytes);
  for (std::size_t i = 0; i < bytes; ++i) data[i] = static_cast<std::byte>(i * 7 >> 3);
  const double megabytes = static_cast<double>(bytes) / 1e6;
  const double write_seconds = median(9, [&] {
    device->write_memory(0, data);
    device->confirm();
  });
  fmt::print("{:<4} bulk write           {:>8.0f} MB/s", name, megabytes / write_seconds);
  verdict(has_target, megabytes / write_seconds >= 400);
  std::vector<std::byte> back(bytes);
  const double read_seconds = median(9, [&] {
    device->read_memory(0, back);
    device->confirm();
  });
  fmt::print("{:<4} bulk read            {:>8.0f} MB/s", name, megabytes / read_seconds);
  verdict(has_target, megabytes / read_seconds >= 400);
  if (back != data) throw Error("what came back is not what was written");
  const double trip = median(5001, [&] { (void)device->read_register(host::registers::kStatus); });
  fmt::print("{:<4} register round trip  {:>8.1f} us  ", name, trip * 1e6);
  verdict(has_target, trip <= 60e-6);
}

}  // namespace

int main() {
  {
    const ServerProcess server(host::Scheme::tcp);
    measure("tcp", fmt::format("tcp://127.0.0.1:{}", server.port()), std::size_t{64} << 20, true);
  }
  {
    const ServerProcess server(host::Scheme::udp);
    measure("udp", fmt::format("udp://127.0.0.1:{}?lifetime=0", server.port()), std::size_t{8} << 20, false);
  }
  return all_reached ? 0 : 1;
}
