// Whatever goes wrong between a client and a simulated board behind a socket: each fault ends in success,
// after further attempts, or in an error within the deadline, and never in a wrong measurement or a wrong
// byte.
//   BITLOOP_FAULTS=20000 sim_tests --gtest_filter='RemoteFaults*'   more faults than the usual 2,000
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <map>
#include <random>
#include <thread>

#include "host/base/error.h"
#include "host/device/registers.h"
#include "host/driver/address.h"
#include "host/driver/driver.h"
#include "host/etherbone/remote_device.h"
#include "host/etherbone/server.h"
#include "sim/sim_device.h"
#include "tests/host/driver/job_case.h"
#include "tests/sim/faulty_wire.h"

namespace bitloop::sim {
namespace {

using test::Fault;
using test::FaultyWire;
using Clock = std::chrono::steady_clock;

constexpr double kDeadline =
    8;  // seconds: of one job with all that its options allow (kOptions), and reserve
constexpr const char* kOptions = "timeout=0.3&connect=1&job=0.6&wait=2";

const MemoryModel kMemory = [] {
  MemoryModel memory;
  memory.bytes = 1 << 20;
  return memory;
}();

/// Passes everything on, and fails as it is told.
class FaultyBoard : public host::Device {
 public:
  FaultyBoard() : device_(make_sim_device("tiny", kMemory)) {}

  const host::HardwareInfo& info() const override { return device_->info(); }
  host::Address memory_size() const override { return device_->memory_size(); }
  void write_memory(host::Address address, std::span<const std::byte> bytes) override {
    device_->write_memory(address, bytes);
  }
  void read_memory(host::Address address, std::span<std::byte> bytes) override {
    device_->read_memory(address, bytes);
  }
  void write_register(std::uint32_t offset, std::uint32_t value) override {
    if (offset == host::registers::kStart && hang.exchange(false)) {
      hangs_ = true;
      return;
    }
    if (swap_at_ && --swap_after_ == 0) swap();
    device_->write_register(offset, value);
  }
  std::uint32_t read_register(std::uint32_t offset) override {
    if (swap_at_ && --swap_after_ == 0) swap();
    if (hangs_ && offset == host::registers::kStatus) return 1;
    return device_->read_register(offset);
  }
  bool wait_done(std::uint32_t sequence, host::Cycles limit) override {
    return !hangs_ && device_->wait_done(sequence, limit);
  }
  void reset() override {
    hangs_ = false;
    device_->reset();
  }

  /// The next job never ends.
  std::atomic<bool> hang{false};
  /// After so many further register accesses another bitstream is there, or (`same`) the same one anew.
  void swap_after(int accesses, bool same) {
    swap_same_ = same;
    swap_after_ = accesses;
    swap_at_ = true;
  }

 private:
  void swap() {
    swap_at_ = false;
    device_ = make_sim_device(swap_same_ ? "tiny" : "default", kMemory);
  }

  std::unique_ptr<host::Device> device_;
  bool hangs_ = false;
  bool swap_at_ = false, swap_same_ = true;
  int swap_after_ = 0;
};

/// A board behind a server, in a thread, that can be killed and started again.
class ServedBoard {
 public:
  explicit ServedBoard(FaultyWire& wire) : wire_(wire) { start(); }
  ~ServedBoard() { stop(); }

  void start() {
    board_ = std::make_unique<FaultyBoard>();
    host::etherbone::ServerOptions options;
    options.listen = host::etherbone::parse_listen("127.0.0.1:0");
    server_ = std::make_unique<host::etherbone::Server>(*board_, options);
    thread_ = std::thread([this] { server_->run(); });
    wire_.connect_to(server_->port());
  }
  void stop() {
    wire_.connect_to(0);
    server_->stop();
    thread_.join();
    server_.reset();
  }
  void restart() {
    stop();
    start();
  }
  FaultyBoard& board() { return *board_; }

 private:
  FaultyWire& wire_;
  std::unique_ptr<FaultyBoard> board_;
  std::unique_ptr<host::etherbone::Server> server_;
  std::thread thread_;
};

host::test::JobCase make_case() {
  const host::Network network = host::single_layer_network("conv in=32x6x6 out=16 kernel=3 stride=1 pad=1");
  const auto device = make_sim_device("tiny", kMemory);
  std::mt19937_64 random{1};
  return host::test::make_job_case(*device, network, host::uniform_policy(network, 2, 4), random);
}

class RemoteFaults : public testing::Test {
 protected:
  void connect() {
    driver_.reset();
    device_.reset();
    device_ = host::etherbone::open_remote_device(host::parse_device(
        fmt::format("tcp://127.0.0.1:{}?{}&fingerprint={}", wire_.port(), kOptions, fingerprint_)));
    driver_ = std::make_unique<host::Driver>(*device_);
  }

  /// A whole job, with its load; true where it succeeded, and then it must be right.
  bool job() {
    try {
      if (device_ == nullptr) connect();
      const auto copy = std::make_shared<const host::Job>(*case_.job);  // which is placed anew each time
      EXPECT_EQ(host::test::run_job(*driver_, copy, case_.image), case_.expected);
      return true;
    } catch (const DeviceError& error) {
      last_error_ = error.what();
      driver_.reset();
      device_.reset();
      return false;
    }
  }

  FaultyWire wire_;
  ServedBoard served_{wire_};
  host::test::JobCase case_ = make_case();
  std::string fingerprint_ = make_sim_device("tiny", kMemory)->info().fingerprint;
  std::unique_ptr<host::Device> device_;
  std::unique_ptr<host::Driver> driver_;
  std::string last_error_;
};

int faults() {
  const char* text = std::getenv("BITLOOP_FAULTS");
  return text == nullptr ? 2000 : std::max(1, std::atoi(text));
}

TEST_F(RemoteFaults, end_in_success_or_an_error_in_time_and_never_in_a_wrong_measurement) {
  // How many bytes cross: of a connection with a job, and of a job on a connection that stands.
  wire_.arm({});
  ASSERT_TRUE(job()) << last_error_;
  const std::size_t first[] = {wire_.passed(false), wire_.passed(true)};
  wire_.arm({});
  ASSERT_TRUE(job()) << last_error_;
  const std::size_t further[] = {wire_.passed(false), wire_.passed(true)};

  std::mt19937_64 random{1};
  const auto below = [&](std::size_t end) { return static_cast<std::size_t>(random() % end); };
  std::map<std::string, std::map<std::string, int>> outcomes;
  int struck = 0;
  const int count = faults();
  for (int i = 0; struck < count; ++i) {
    ASSERT_LT(i, 2 * count + 100) << "faults do not strike";
    const bool anew = device_ == nullptr || below(8) == 0;
    if (anew) {
      driver_.reset();
      device_.reset();
    }
    const std::size_t* bytes = anew ? first : further;
    Fault fault;
    fault.to_server = below(2) == 0;
    fault.at = below(bytes[fault.to_server ? 1 : 0]);
    fault.bit = static_cast<unsigned>(below(8));
    std::string name;
    bool on_wire = true;
    // Stalls and hangs cost their deadline each, so they are rarer.
    switch (const std::size_t draw = below(40); draw) {
      case 0:
        fault.kind = Fault::Kind::stall;
        name = "stall";
        break;
      case 1:
      case 2:
      case 3:
        fault.kind = Fault::Kind::act;
        fault.action = [&] { served_.restart(); };
        name = "server killed and started";
        break;
      case 4:
        served_.board().hang = true;
        on_wire = false;
        name = "device hangs";
        break;
      case 5:
      case 6:
      case 7:
        served_.board().swap_after(1 + static_cast<int>(below(30)), draw == 5);
        on_wire = false;
        name = draw == 5 ? "device restarted" : "device restarted with another bitstream";
        break;
      default:
        fault.kind = draw < 16   ? Fault::Kind::cut
                     : draw < 20 ? Fault::Kind::drop
                     : draw < 24 ? Fault::Kind::crumb
                                 : Fault::Kind::flip;
        name = draw < 16 ? "cut" : draw < 20 ? "byte lost" : draw < 24 ? "short reads" : "bit flipped";
    }
    wire_.arm(on_wire ? fault : Fault{});
    const auto begin = Clock::now();
    const bool success = job();
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    ASSERT_FALSE(HasFailure()) << name << " to " << (fault.to_server ? "server" : "client") << " at byte "
                               << fault.at << " bit " << fault.bit << (anew ? ", new connection" : "");
    ASSERT_LT(seconds, kDeadline) << name << ": " << last_error_;
    EXPECT_TRUE(success || !last_error_.empty());
    if (!on_wire || wire_.struck()) {
      ++struck;
      ++outcomes[name][success ? "success" : "error"];
    }
    if (name == "device restarted with another bitstream") served_.restart();
    served_.board().hang = false;
    if (!success) {
      wire_.arm({});
      ASSERT_TRUE(job()) << "after " << name << ": " << last_error_;  // and everything goes on
    }
  }
  for (const auto& [name, results] : outcomes) {
    fmt::print("{:42}", name);
    for (const auto& [result, n] : results) fmt::print("  {} {}", n, result);
    fmt::print("\n");
  }
}

TEST_F(RemoteFaults, another_bitstream_is_refused_with_both_fingerprints) {
  ASSERT_TRUE(job()) << last_error_;
  const std::string before = device_->info().fingerprint;
  served_.board().swap_after(1, false);
  ASSERT_FALSE(job());
  EXPECT_THAT(last_error_, testing::HasSubstr(before));
}

}  // namespace
}  // namespace bitloop::sim
