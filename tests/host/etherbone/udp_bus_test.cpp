#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "host/base/error.h"
#include "host/device/registers.h"
#include "host/etherbone/remote_device.h"
#include "host/etherbone/service.h"
#include "tests/host/etherbone/running_server.h"
#include "tests/host/etherbone/udp_proxy.h"
#include "tests/host/program/emulator.h"

namespace bitloop::host::test {
namespace {

using etherbone::Bus;
using testing::AllOf;
using testing::HasSubstr;
using namespace std::chrono_literals;

constexpr Address kMemoryBytes = Address{1} << 20;

std::unique_ptr<Bus> connect(std::uint16_t port, const std::string& options) {
  return etherbone::connect_udp(parse_device(fmt::format("udp://127.0.0.1:{}?timeout=2&{}", port, options)));
}

std::vector<std::byte> random_bytes(std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<std::byte> bytes(count);
  for (std::byte& b : bytes) b = static_cast<std::byte>(random());
  return bytes;
}

class UdpBusTest : public testing::Test {
 protected:
  Emulator device_{HardwareInfo{}, EmulatorOptions{Interleaving::program_order, kMemoryBytes}};
};

TEST_F(UdpBusTest, what_is_written_is_read_back_in_records_of_any_size) {
  for (const char* burst : {"burst=1&window=1", "burst=4", "burst=255&window=32", "address=64"}) {
    const RunningServer server(device_, Scheme::udp);
    const auto bus = connect(server.port(), fmt::format("lifetime=0&{}", burst));
    bus->serve(255);
    for (const std::size_t words : {1, 3, 255, 256, 5000}) {
      const auto bytes = random_bytes(4 * words, words);
      std::vector<std::byte> back(bytes.size());
      bus->write(etherbone::service::kMemory + 4 * words, bytes);
      bus->read(etherbone::service::kMemory + 4 * words, back);
      EXPECT_EQ(back, bytes) << burst << " " << words;
    }
    bus->confirm();
  }
}

TEST_F(UdpBusTest, no_byte_is_wrong_on_a_network_that_loses_repeats_and_reorders) {
  const RunningServer server(device_, Scheme::udp);
  for (const std::uint64_t seed : {1, 2, 3}) {
    const UdpProxy proxy(server.port(), {.loss = 0.1, .repeated = 0.1, .delayed = 0.2, .longest = 10ms},
                         seed);
    const auto bus = connect(proxy.port(), "lifetime=0.02");
    bus->serve(255);
    std::mt19937_64 random(seed);
    std::vector<std::byte> memory(kMemoryBytes / 8);
    bus->write(etherbone::service::kMemory, memory);
    for (int i = 0; i < 30; ++i) {  // overlapping pieces, each over what is there
      const std::size_t at = random() % (memory.size() / 8) * 4;
      const auto piece = random_bytes(random() % 4096 / 4 * 4 + 4, random());
      std::copy(piece.begin(), piece.end(), memory.begin() + static_cast<std::ptrdiff_t>(at));
      bus->write(etherbone::service::kMemory + at, piece);
    }
    std::vector<std::byte> back(memory.size());
    bus->read(etherbone::service::kMemory, back);
    EXPECT_EQ(back, memory) << "seed " << seed;
    EXPECT_GT(proxy.faults(), 100);
    bus->confirm();
  }
}

TEST_F(UdpBusTest, a_late_copy_of_a_write_does_not_undo_the_next_one) {
  const RunningServer server(device_, Scheme::udp);
  // Every datagram comes once at once and once late.
  const UdpProxy proxy(server.port(), {.repeated = 1, .longest = 10ms}, 1);
  const auto bus = connect(proxy.port(), "lifetime=0.02");
  bus->serve(255);
  for (int i = 0; i < 20; ++i) {
    const auto bytes = random_bytes(16, static_cast<std::uint64_t>(i));
    if (i % 2 == 0) {
      bus->write(etherbone::service::kMemory, bytes);
    } else {
      bus->write_together(etherbone::service::kMemory, bytes);
    }
    ASSERT_TRUE(bus->settle());
    if (i % 4 == 0) std::this_thread::sleep_for(15ms);
    std::vector<std::byte> back(16);
    bus->read(etherbone::service::kMemory, back);
    EXPECT_EQ(back, bytes) << i;
  }
}

TEST_F(UdpBusTest, silence_ends_at_the_deadline) {
  const Socket silent = Socket::bound(SOCK_DGRAM);
  const auto bus = connect(silent.port(), "connect=0.2");
  std::vector<std::byte> bytes(4);
  try {
    bus->read(0, bytes);
    FAIL();
  } catch (const DeviceLost& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("did not answer"), HasSubstr("0.2 s"), HasSubstr("connect=")));
  }
}

TEST_F(UdpBusTest, strangers_are_told_by_what_they_say) {
  const Socket stranger = Socket::bound(SOCK_DGRAM);
  std::thread answers([&] {
    sockaddr_in client{};
    socklen_t bytes = sizeof client;
    std::byte room[64];
    ::recvfrom(stranger.handle(), room, sizeof room, 0, reinterpret_cast<sockaddr*>(&client), &bytes);
    ::sendto(stranger.handle(), "who are you?", 12, 0, reinterpret_cast<sockaddr*>(&client), bytes);
  });
  const auto bus = connect(stranger.port(), "connect=0.3");
  std::vector<std::byte> bytes(4);
  try {
    bus->read(0, bytes);
    ADD_FAILURE();
  } catch (const DeviceLost& error) {
    ADD_FAILURE() << error.what();
  } catch (const DeviceError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("something else"), HasSubstr("who are you?")));
  }
  answers.join();
}

TEST_F(UdpBusTest, the_device_is_free_when_its_client_has_gone) {
  const RunningServer server(device_, Scheme::udp);
  for (int i = 0; i < 3; ++i) {
    const auto bus = connect(server.port(), "lifetime=0&connect=1");
    bus->serve(255);
    std::vector<std::byte> bytes(64);
    bus->read(etherbone::service::kMemory, bytes);
  }
}

}  // namespace
}  // namespace bitloop::host::test
