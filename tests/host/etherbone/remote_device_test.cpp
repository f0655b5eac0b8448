#include "host/etherbone/remote_device.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "host/base/error.h"
#include "host/compiler/compiler.h"
#include "host/device/board_identity.h"
#include "host/device/registers.h"
#include "host/driver/driver.h"
#include "host/etherbone/service.h"
#include "tests/host/etherbone/fake_server.h"
#include "tests/host/etherbone/running_server.h"
#include "tests/host/etherbone/tcp_proxy.h"
#include "tests/host/etherbone/udp_proxy.h"
#include "tests/host/network/random_cases.h"
#include "tests/host/program/emulator.h"

namespace bitloop::host::test {
namespace {

using etherbone::open_remote_device;
using testing::AllOf;
using testing::HasSubstr;
using namespace std::chrono_literals;

/// An emulated device with an identity, and jobs that hang on request.
class TestDevice : public Emulator {
 public:
  explicit TestDevice(Address memory_bytes, std::uint32_t rtl = 0x1234'5678)
      : Emulator(described(rtl), EmulatorOptions{Interleaving::program_order, memory_bytes}), rtl_(rtl) {}

  std::uint32_t read_register(std::uint32_t offset) override {
    if (offset == registers::kFingerprint0) return rtl_;
    if (offset == registers::kStatus && hangs) return 1;
    if (offset == registers::kLastDone && hangs) return 0;
    return Emulator::read_register(offset);
  }
  void write_register(std::uint32_t offset, std::uint32_t value) override {
    if (offset == registers::kStart) ++starts;
    if (offset == registers::kControl) hangs = false;
    Emulator::write_register(offset, value);
  }
  bool wait_done(std::uint32_t sequence, Cycles limit) override {
    if (hangs) std::this_thread::sleep_for(1ms);
    return !hangs && Emulator::wait_done(sequence, limit);
  }
  void reset() override {
    hangs = false;
    Emulator::reset();
  }

  std::atomic<bool> hangs = false;
  std::atomic<int> starts = 0;

 private:
  static HardwareInfo described(std::uint32_t rtl) {
    HardwareInfo info;
    info.channel_lanes = 16;
    info.name = "emulated";
    info.memory = "vector";
    info.fingerprint = fmt::format("{:016x}{:016x}", rtl, 0xabcd'0000'0000'0001);
    info.clock_hz = 123e6;
    info.patience = 12'345'678;
    info.duplex = true;
    return info;
  }

  std::uint32_t rtl_;
};

template <class Expected, class Work>
std::string failure(const Work& work) {
  try {
    work();
  } catch (const Error& error) {
    EXPECT_EQ(typeid(error), typeid(Expected)) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "nothing failed";
  return "";
}

class RemoteDeviceTest : public testing::Test {
 protected:
  static std::unique_ptr<Device> open(const std::string& scheme, std::uint16_t port,
                                      const std::string& options = "") {
    return open_remote_device(parse_device(fmt::format("{}://127.0.0.1:{}?{}", scheme, port, options)));
  }

  /// Two images through one network; tensors as the reference has them.
  void expect_jobs_work(Device& device) {
    Driver driver(device);
    driver.load(job_);
    for (const std::uint64_t seed : {1, 2}) {
      std::mt19937_64 random(seed);
      const auto image = random_input({1, 28, 28}, 8, random);
      EXPECT_EQ(driver.run(image).segments.size(), job_.segments.size());
      EXPECT_EQ(driver.read_tensor(job_.tensors.back()), golden_run(network_, image).written.back());
    }
  }

  QuantizedNetwork network_ =
      random_quantization(zoo_network("lenet"), uniform_policy(zoo_network("lenet"), 2, 2), 1);
  Job job_ = compile(network_, HardwareInfo{});
  Address memory_bytes_ = (job_.bytes + 2 * std::uint64_t{service_page()} - 1) / 4096 * 4096 + 4096;
  TestDevice device_{memory_bytes_};

  static constexpr std::uint32_t service_page() { return etherbone::service::kPageSize; }
};

TEST_F(RemoteDeviceTest, it_says_what_the_device_says) {
  const RunningServer server(device_);
  const auto remote = open("tcp", server.port());
  const HardwareInfo& expected = device_.info();
  const HardwareInfo& info = remote->info();
  EXPECT_EQ(info.name, expected.name);
  EXPECT_EQ(info.memory, expected.memory);
  EXPECT_EQ(info.fingerprint, expected.fingerprint);
  EXPECT_EQ(info.clock_hz, expected.clock_hz);
  EXPECT_EQ(info.pixels, expected.pixels);
  EXPECT_EQ(info.filters, expected.filters);
  EXPECT_EQ(info.activation_rows, expected.activation_rows);
  EXPECT_EQ(info.weight_rows, expected.weight_rows);
  EXPECT_EQ(info.parameter_slots, expected.parameter_slots);
  EXPECT_EQ(info.channel_lanes, expected.channel_lanes);
  EXPECT_EQ(info.staging_words, expected.staging_words);
  EXPECT_EQ(info.duplex, expected.duplex);
  EXPECT_EQ(info.repeatable, expected.repeatable);
  EXPECT_EQ(info.computes, expected.computes);
  EXPECT_EQ(info.patience, expected.patience);
  EXPECT_EQ(remote->memory_size(), device_.memory_size());
  EXPECT_EQ(remote->memory_base(), device_.memory_base());
}

TEST_F(RemoteDeviceTest, jobs_run_over_every_wire_as_they_do_here) {
  const std::string bare = bare_options(memory_bytes_);
  const auto without_page = [](etherbone::ServerOptions& options) { options.bare = true; };
  for (const bool page : {true, false}) {
    for (const auto& [name, scheme] : {std::pair{"tcp", Scheme::tcp}, std::pair{"udp", Scheme::udp}}) {
      SCOPED_TRACE(fmt::format("{} {}", name, page ? "with a page" : "bare"));
      const RunningServer server(device_, scheme,
                                 page ? std::function<void(etherbone::ServerOptions&)>() : without_page);
      const auto remote = open(name, server.port(), page ? "" : bare);
      expect_jobs_work(*remote);
    }
  }
}

TEST_F(RemoteDeviceTest, jobs_run_on_a_network_that_loses_repeats_and_reorders) {
  const RunningServer server(device_, Scheme::udp);
  for (const std::uint64_t seed : {1, 2, 3}) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    const UdpProxy proxy(server.port(), {.loss = 0.05, .repeated = 0.2, .delayed = 0.2}, seed);
    const auto remote = open("udp", proxy.port(), "lifetime=0.02");
    expect_jobs_work(*remote);
  }
}

TEST_F(RemoteDeviceTest, a_late_copy_of_start_has_ended_before_anything_is_read) {
  const RunningServer server(device_, Scheme::udp);
  const UdpProxy proxy(server.port(), {.repeated = 1}, 1);
  const auto remote = open("udp", proxy.port(), "lifetime=0.02");
  // A copy that overtakes what it copies starts nothing, as on a machine that is busy elsewhere.
  int jobs = 0;
  do {
    expect_jobs_work(*remote);
    jobs += 2;
  } while (device_.starts <= jobs && jobs < 40);
  EXPECT_GT(device_.starts, jobs);
}

TEST_F(RemoteDeviceTest, memory_of_any_alignment_is_written_and_read) {
  const RunningServer server(device_);
  const auto remote = open("tcp", server.port());
  std::mt19937_64 random(1);
  std::vector<std::byte> memory(4096);
  remote->write_memory(0, memory);
  for (int i = 0; i < 300; ++i) {
    const std::size_t at = random() % 4000;
    const std::size_t count = i < 30 ? random() % 9 : random() % 96;
    for (std::size_t b = 0; b < count; ++b) memory[at + b] = static_cast<std::byte>(random());
    remote->write_memory(at, std::span(memory).subspan(at, count));
    std::vector<std::byte> back(count);
    remote->read_memory(at, back);
    ASSERT_TRUE(std::equal(back.begin(), back.end(), memory.begin() + static_cast<std::ptrdiff_t>(at)));
  }
  std::vector<std::byte> there(memory.size());
  remote->confirm();
  remote->read_memory(0, there);
  EXPECT_EQ(there, memory);
}

TEST_F(RemoteDeviceTest, accesses_outside_the_windows_are_refused) {
  const RunningServer server(device_);
  const auto remote = open("tcp", server.port());
  std::vector<std::byte> bytes(8);
  EXPECT_THROW(remote->read_memory(memory_bytes_ - 4, bytes), DeviceError);
  EXPECT_THROW(remote->write_memory(~Address{0}, bytes), DeviceError);
  EXPECT_THROW((void)remote->read_register(4096), DeviceError);
  EXPECT_THROW((void)remote->read_register(2), DeviceError);
  remote->confirm();
}

TEST_F(RemoteDeviceTest, another_fingerprint_than_the_one_asked_for_is_refused_with_both) {
  const RunningServer server(device_);
  open("tcp", server.port(), "wait=1&fingerprint=0000000012345678ABCD");
  EXPECT_THAT(failure<DeviceError>([&] { open("tcp", server.port(), "wait=1&fingerprint=99"); }),
              AllOf(HasSubstr(device_.info().fingerprint), HasSubstr("fingerprint=99")));
}

TEST_F(RemoteDeviceTest, a_server_without_a_page_is_told_with_what_to_do) {
  const RunningServer server(device_, Scheme::tcp, [](auto& options) { options.bare = true; });
  EXPECT_THAT(failure<DeviceError>([&] { open("tcp", server.port()); }), HasSubstr("registers="));
}

TEST_F(RemoteDeviceTest, a_board_is_filed_under_its_name_and_clock) {
  const RunningServer server(device_, Scheme::tcp, [](auto& options) { options.bare = true; });
  const auto remote = open("tcp", server.port(), bare_options(memory_bytes_) + "&name=arty&clock=50e6");
  EXPECT_EQ(remote->info().fingerprint, fmt::format("{:016x}{:016x}", 0x1234'5678, board_hash("arty", 50e6)));
  EXPECT_EQ(remote->info().memory, "arty");
  EXPECT_EQ(remote->info().clock_hz, 50e6);
  EXPECT_EQ(remote->memory_base(), 0);
}

TEST_F(RemoteDeviceTest, jobs_that_do_not_end_are_given_up_at_their_limit_and_at_the_deadline) {
  for (const bool page : {true, false}) {
    SCOPED_TRACE(page);
    const RunningServer server(device_, Scheme::tcp, [&](auto& options) { options.bare = !page; });
    const std::string options = page ? "wait=1" : "wait=1&clock=1e9&" + bare_options(memory_bytes_);
    auto remote = open("tcp", server.port(), options + "&job=0.2");
    const auto start = [&] {
      device_.hangs = true;
      remote->write_registers(registers::kBase, std::array<std::uint32_t, 3>{4096, 0, 7});
    };
    start();
    EXPECT_THAT(failure<DeviceTimeout>([&] { remote->wait_done(7, 1'000'000'000'000); }), HasSubstr("job="));
    remote->reset();
    EXPECT_FALSE(device_.hangs);
    remote.reset();
    remote = open("tcp", server.port(), options);
    start();
    EXPECT_FALSE(remote->wait_done(7, 100'000));
    remote->reset();
    expect_jobs_work(*remote);
  }
}

TEST_F(RemoteDeviceTest, a_driver_goes_on_after_any_cut) {
  const RunningServer server(device_);
  for (const std::size_t cut : {100, 1000, 5000, 20'000, 60'000}) {
    SCOPED_TRACE(cut);
    std::size_t passes = cut;
    TcpProxy proxy(
        server.port(),
        [&](TcpProxy::Way, std::vector<std::byte>& bytes) {
          const bool fits = bytes.size() <= passes;
          passes = fits ? passes - bytes.size() : std::size_t{1} << 30;
          return fits;
        },
        500);
    const auto address = parse_device(fmt::format("tcp://127.0.0.1:{}?wait=2", proxy.port()));
    std::unique_ptr<Device> remote;
    for (int attempt = 0; !remote && attempt < 2; ++attempt) {
      try {
        remote = open_remote_device(address);
      } catch (const DeviceLost&) {  // the cut fell into the greeting
      }
    }
    ASSERT_TRUE(remote);
    expect_jobs_work(*remote);
  }
}

TEST_F(RemoteDeviceTest, a_server_that_was_restarted_is_used_again_if_it_is_the_same_device) {
  auto first = std::make_unique<RunningServer>(device_);
  TcpProxy proxy(first->port(), [](auto, auto&) { return true; });
  const auto remote = open("tcp", proxy.port(), "wait=2");
  Driver driver(*remote);
  driver.load(job_);
  std::mt19937_64 random(1);
  const auto image = random_input({1, 28, 28}, 8, random);
  driver.run(image);

  TestDevice same(memory_bytes_);
  first.reset();
  RunningServer second(same);
  proxy.redirect(second.port());
  driver.run(image);
  EXPECT_EQ(driver.read_tensor(job_.tensors.back()), golden_run(network_, image).written.back());
  EXPECT_EQ(same.starts, 1);
}

TEST_F(RemoteDeviceTest, another_device_in_its_place_is_refused_with_both_fingerprints) {
  auto first = std::make_unique<RunningServer>(device_);
  TcpProxy proxy(first->port(), [](auto, auto&) { return true; });
  const auto remote = open("tcp", proxy.port(), "wait=2");
  Driver driver(*remote);
  driver.load(job_);
  TestDevice other(memory_bytes_, 0x8765'4321);
  first.reset();
  RunningServer second(other);
  proxy.redirect(second.port());
  std::mt19937_64 random(1);
  EXPECT_THAT(failure<DeviceError>([&] {
                driver.run(random_input({1, 28, 28}, 8, random));
              }),
              AllOf(HasSubstr(device_.info().fingerprint), HasSubstr(other.info().fingerprint)));
  EXPECT_EQ(other.starts, 0);
}

/// A page that says anything must not make the client allocate or access anything by it.
TEST_F(RemoteDeviceTest, a_page_without_sense_is_refused) {
  for (const auto& [offset, words] : {std::pair<std::uint32_t, std::uint32_t>{0x10, 0xffff'ffff},
                                      {0x10, 0},
                                      {0x08, 1},
                                      {0x20, 0},
                                      {0x28, 0},
                                      {0x28, 256},
                                      {0x04, 2}}) {
    SCOPED_TRACE(offset);
    const FakeServer server(
        [&, offset = offset, words = words](const Socket& client, const std::atomic<bool>& ends) {
          client.send(std::as_bytes(std::span(std::string_view("Bitloop 1 ready\n"))));
          etherbone::ServedDevice served(device_, {});
          std::vector<std::byte> input;
          while (!ends) {
            if (!client.readable(20)) continue;
            std::byte room[4096];
            const std::ptrdiff_t bytes = client.receive(room);
            if (bytes <= 0) return;
            input.insert(input.end(), room, room + bytes);
            const auto framed = etherbone::parse_packet(input);
            std::vector<std::byte> replies;
            if (framed.state != etherbone::Framed::State::whole) continue;
            const std::uint64_t first = framed.packet.read_address(0);
            served.take(std::span(input).first(framed.bytes), replies);
            if (first <= 0x1000 + offset && first + 4 * framed.packet.reads() > 0x1000 + offset) {
              const std::size_t at = 16 + 0x1000 + offset - first;
              for (std::size_t i = 0; i < 4; ++i)
                replies[at + i] = static_cast<std::byte>(words >> 8 * (3 - i));
            }
            input.erase(input.begin(), input.begin() + static_cast<std::ptrdiff_t>(framed.bytes));
            if (!client.send(replies)) return;
          }
        });
    EXPECT_THROW(open("tcp", server.port(), "timeout=0.5"), DeviceError);
  }
}

}  // namespace
}  // namespace bitloop::host::test
