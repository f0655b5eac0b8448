#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <random>

#include "host/base/error.h"
#include "host/device/registers.h"
#include "host/etherbone/remote_device.h"
#include "host/etherbone/service.h"
#include "tests/host/etherbone/fake_server.h"
#include "tests/host/etherbone/running_server.h"
#include "tests/host/etherbone/tcp_proxy.h"
#include "tests/host/program/emulator.h"

namespace bitloop::host::test {
namespace {

using etherbone::Bus;
using etherbone::connect_tcp;
using testing::AllOf;
using testing::HasSubstr;

constexpr Address kMemoryBytes = Address{8} << 20;

std::unique_ptr<Bus> connect(std::uint16_t port, const std::string& options = "connect=1") {
  return connect_tcp(parse_device(fmt::format("tcp://127.0.0.1:{}?timeout=0.3&{}", port, options)));
}

std::vector<std::byte> random_bytes(std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<std::byte> bytes(count);
  for (std::byte& b : bytes) b = static_cast<std::byte>(random());
  return bytes;
}

/// Runs `work`, which must fail with an `Error` that is exactly of this class; returns what it said.
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

class TcpBusTest : public testing::Test {
 protected:
  /// Writes and reads pieces of all sizes; each must come back as it was written.
  void expect_memory_works(Bus& bus, std::size_t largest) {
    for (const std::size_t words :
         {std::size_t{1}, std::size_t{2}, std::size_t{255}, std::size_t{256}, largest / 4}) {
      const auto bytes = random_bytes(4 * words, words);
      const std::uint64_t address = etherbone::service::kMemory + 4 * words;
      std::vector<std::byte> back(bytes.size());
      bus.write(address, bytes);
      bus.read(address, back);
      EXPECT_EQ(back, bytes) << words;
    }
  }

  Emulator device_{HardwareInfo{}, EmulatorOptions{Interleaving::program_order, kMemoryBytes}};
};

TEST_F(TcpBusTest, what_is_written_is_read_back) {
  const RunningServer server(device_);
  const auto bus = connect(server.port());
  bus->serve(255);
  expect_memory_works(*bus, kMemoryBytes / 2);
  bus->confirm();
}

TEST_F(TcpBusTest, records_keep_to_the_burst_limit) {
  std::size_t longest = 0;
  const RunningServer server(device_);
  TcpProxy proxy(server.port(), [&](TcpProxy::Way way, std::vector<std::byte>& bytes) {
    if (way == TcpProxy::Way::to_server) {
      std::span<const std::byte> rest = bytes;
      while (!rest.empty()) {
        const auto framed = etherbone::parse_packet(rest);
        if (framed.state != etherbone::Framed::State::whole) break;
        longest = std::max({longest, framed.packet.writes(), framed.packet.reads()});
        rest = rest.subspan(framed.bytes);
      }
    }
    return true;
  });
  const auto bus = connect(proxy.port(), "burst=16");
  bus->serve(255);
  expect_memory_works(*bus, 64 * 256);
  EXPECT_EQ(longest, 16);
}

TEST_F(TcpBusTest, answers_may_come_byte_by_byte) {
  const RunningServer server(device_);
  TcpProxy proxy(
      server.port(), [](auto, auto&) { return true; }, 1);
  const auto bus = connect(proxy.port());
  bus->serve(255);
  expect_memory_works(*bus, 1200);
  bus->confirm();
}

TEST_F(TcpBusTest, wide_addresses_work) {
  const RunningServer server(device_);
  const auto bus = connect(server.port(), "address=64");
  bus->serve(255);
  expect_memory_works(*bus, 1 << 20);
  bus->confirm();
}

TEST_F(TcpBusTest, the_banner_of_litex_is_read) {
  const FakeServer server(bare_board(device_, "CommUDP:localhost:1234"));
  const auto bus = connect(server.port());
  expect_memory_works(*bus, 65536);
}

TEST_F(TcpBusTest, a_server_that_greets_nobody_is_waited_for_and_used) {
  const FakeServer server(bare_board(device_, ""));
  const auto bus = connect(server.port(), "connect=0.1");
  expect_memory_works(*bus, 65536);
}

TEST_F(TcpBusTest, strangers_are_told_by_what_they_say) {
  const FakeServer greets([](const Socket& client, const auto&) {
    client.send(std::as_bytes(std::span(std::string_view("SSH-2.0-OpenSSH_9.2\r\n"))));
    std::byte room[64];
    client.receive(room);
  });
  EXPECT_THAT(failure<DeviceError>([&] { connect(greets.port()); }),
              AllOf(HasSubstr("something else"), HasSubstr("SSH-2.0-OpenSSH_9.2\\x0d\\x0a")));
  const FakeServer answers([](const Socket& client, const auto&) {
    std::byte room[64];
    client.receive(room);
    client.send(std::as_bytes(std::span(std::string_view("HTTP/1.1 400 Bad Request\r\n"))));
  });
  const auto bus = connect(answers.port(), "connect=0.1");
  std::vector<std::byte> bytes(4);
  EXPECT_THAT(failure<DeviceError>([&] { bus->read(0, bytes); }), HasSubstr("HTTP/1.1 400"));
}

TEST_F(TcpBusTest, nobody_there_is_told_at_once) {
  const std::uint16_t port = Socket::bound(SOCK_STREAM).port();
  EXPECT_THAT(failure<DeviceLost>([&] { connect(port); }),
              HasSubstr(fmt::format("tcp://127.0.0.1:{}", port)));
}

TEST_F(TcpBusTest, silence_ends_at_the_deadline) {
  const FakeServer server([](const Socket& client, const std::atomic<bool>& ends) {
    client.send(std::as_bytes(std::span(std::string_view("Bitloop 1 ready\n"))));
    while (!ends && !client.readable(20)) {
    }
    while (!ends) ::usleep(10'000);
  });
  const auto bus = connect(server.port());
  std::vector<std::byte> bytes(4096);
  EXPECT_THAT(failure<DeviceLost>([&] { bus->read(0, bytes); }),
              AllOf(HasSubstr("0.3 s"), HasSubstr("timeout=")));
  EXPECT_THAT(failure<DeviceLost>([&] { bus->read(0, bytes); }), HasSubstr("no connection"));
  const auto again = connect(server.port());
  const std::vector<std::byte> much(std::size_t{64} << 20);  // more than the system's buffers take
  EXPECT_THAT(failure<DeviceLost>([&] { again->write(0, much); }), HasSubstr("timeout="));
}

TEST_F(TcpBusTest, who_drips_bytes_does_not_keep_us) {
  const auto seconds = [](const auto& work) {
    const auto start = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  const RunningServer server(device_);
  std::atomic<bool> drips = false;
  TcpProxy proxy(
      server.port(),
      [&](TcpProxy::Way way, auto&) {
        if (drips && way == TcpProxy::Way::to_client) ::usleep(20'000);
        return true;
      },
      1);
  const auto bus = connect(proxy.port());
  bus->serve(255);
  drips = true;
  std::vector<std::byte> bytes(1000);
  EXPECT_LT(seconds([&] {
              EXPECT_THAT(failure<DeviceLost>([&] { bus->read(etherbone::service::kMemory, bytes); }),
                          HasSubstr("did not answer within 0.3 s"));
            }),
            2);
  const auto repeats = [](const char* text, useconds_t pause) {
    return [text, pause](const Socket& client, const std::atomic<bool>& ends) {
      while (!ends && client.send(std::as_bytes(std::span(std::string_view(text))))) ::usleep(pause);
    };
  };
  const FakeServer mumbles(repeats("B", 20'000));
  EXPECT_LT(seconds([&] { failure<DeviceError>([&] { connect(mumbles.port(), "connect=0.2"); }); }), 2);
  const FakeServer chatters(repeats("Bitloop 1 busy\n", 0));
  EXPECT_LT(seconds([&] {
              EXPECT_THAT(failure<DeviceError>([&] { connect(chatters.port(), "wait=0.2"); }),
                          HasSubstr("another client"));
            }),
            2);
}

TEST_F(TcpBusTest, a_transfer_may_take_longer_than_each_of_its_records) {
  const RunningServer server(device_);
  std::atomic<int> answers = 0;
  constexpr std::size_t kAnswer = 32;  // bytes of one with 4 words
  TcpProxy proxy(
      server.port(),
      [&](TcpProxy::Way way, auto&) {
        if (way == TcpProxy::Way::to_client && ++answers > 1) ::usleep(30'000);
        return true;
      },
      kAnswer);
  const auto bus = connect(proxy.port(), "burst=4");
  bus->serve(255);
  std::vector<std::byte> bytes(std::size_t{20} * 4 * 4);
  bus->read(etherbone::service::kMemory, bytes);
  EXPECT_GE(answers, 20);
  const FakeServer slow([](const Socket& client, const std::atomic<bool>& ends) {
    client.send(std::as_bytes(std::span(std::string_view("Bitloop 1 ready\n"))));
    std::vector<std::byte> room(65536);
    while (!ends && (!client.readable(20) || client.receive(room) > 0)) ::usleep(1'000);
  });
  const std::vector<std::byte> much(std::size_t{64} << 20);  // a second of it
  connect(slow.port())->write(0, much);
}

/// All that is written goes into the system's buffer at once, and is 2 s under way; so is the question after
/// it.
TEST_F(TcpBusTest, a_steady_way_may_be_slow) {
  const FakeServer slow(
      [](const Socket& client, const std::atomic<bool>& ends) {
        client.send(std::as_bytes(std::span(std::string_view("Bitloop 1 ready\n"))));
        std::byte room[1024];
        while (!ends && (!client.readable(20) || client.receive(room) > 0)) ::usleep(10'000);
      },
      10'000);
  const auto bus = connect_tcp(parse_device(fmt::format("tcp://127.0.0.1:{}?timeout=1", slow.port())));
  const std::vector<std::byte> much(std::size_t{192} << 10);
  const auto begin = std::chrono::steady_clock::now();
  bus->write(0, much);
  std::vector<std::byte> bytes(4);
  EXPECT_THAT(failure<DeviceLost>([&] { bus->read(0, bytes); }), HasSubstr("did not answer within 1 s"));
  EXPECT_GT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
}

TEST_F(TcpBusTest, a_cut_connection_is_told_and_made_anew) {
  std::atomic<std::size_t> passes = 40'000;  // bytes from the server before the cut
  const RunningServer server(device_);
  TcpProxy proxy(server.port(), [&](TcpProxy::Way way, std::vector<std::byte>& bytes) {
    if (way == TcpProxy::Way::to_server) return true;
    if (bytes.size() > passes) return false;
    passes -= bytes.size();
    return true;
  });
  const auto bus = connect(proxy.port());
  std::vector<std::byte> bytes(100'000);
  EXPECT_THAT(failure<DeviceLost>([&] { bus->read(etherbone::service::kMemory, bytes); }),
              HasSubstr("connection was lost"));
  passes = ~std::size_t{0};
  bus->reconnect();
  bus->serve(255);
  expect_memory_works(*bus, 65536);
  bus->confirm();
}

TEST_F(TcpBusTest, altered_bytes_are_found_both_ways) {
  const RunningServer server(device_);
  for (const auto altered : {TcpProxy::Way::to_server, TcpProxy::Way::to_client}) {
    bool armed = false;
    TcpProxy proxy(server.port(), [&](TcpProxy::Way way, std::vector<std::byte>& bytes) {
      if (way == altered && std::exchange(armed, false)) bytes.back() ^= std::byte{0x10};  // a word of data
      return true;
    });
    const auto bus = connect(proxy.port(), "connect=1&wait=2");
    bus->serve(255);
    bus->confirm();
    armed = true;
    const auto bytes = random_bytes(400, 1);
    std::vector<std::byte> back(400);
    bus->write(etherbone::service::kMemory, bytes);
    bus->read(etherbone::service::kMemory, back);
    EXPECT_NE(back, bytes);
    EXPECT_THAT(failure<DeviceLost>([&] { bus->confirm(); }),
                HasSubstr(altered == TcpProxy::Way::to_server ? "way to" : "way from"));
  }
}

TEST_F(TcpBusTest, answers_to_other_questions_are_not_taken) {
  for (const bool tag : {true, false}) {
    const FakeServer server(bare_board(device_, "CommUDP:", [tag](std::vector<std::byte>& replies) {
      if (tag) {
        replies[15] ^= std::byte{1};  // the tag's last byte
      } else {
        const std::vector<std::byte> twice = replies;
        replies.insert(replies.end(), twice.begin(), twice.end());
      }
    }));
    const auto bus = connect(server.port());
    std::vector<std::byte> bytes(40);
    EXPECT_THAT(failure<DeviceLost>([&] {
                  bus->read(0, bytes);
                  bus->read(0, bytes);
                }),
                tag ? HasSubstr("answer 1 with 10 words came in place of answer 0 with 10 words")
                    : HasSubstr("not asked for"));
  }
}

TEST_F(TcpBusTest, a_server_that_answers_everything_under_0_is_taken_for_litex_server) {
  const FakeServer server(bare_board(device_, "CommUDP:localhost:1234", [](std::vector<std::byte>& replies) {
    for (std::size_t at = 0; at < replies.size();) {
      const auto framed = etherbone::parse_packet(std::span(replies).subspan(at));
      ASSERT_EQ(framed.state, etherbone::Framed::State::whole);
      std::fill_n(replies.begin() + static_cast<std::ptrdiff_t>(at) + 12, 4, std::byte{0});
      at += framed.bytes;
    }
  }));
  const auto bus = connect(server.port());
  const auto bytes = random_bytes(4000, 1);
  std::vector<std::byte> back(bytes.size());
  bus->write(etherbone::service::kMemory, bytes);
  bus->read(etherbone::service::kMemory, back);
  EXPECT_EQ(back, bytes);
}

TEST_F(TcpBusTest, refusals_are_told_once_with_their_reason) {
  const RunningServer server(device_);
  const auto bus = connect(server.port());
  bus->serve(255);
  const std::vector<std::byte> word(4);
  bus->write(0x2000'0000, word);
  EXPECT_THAT(failure<DeviceError>([&] { bus->confirm(); }), HasSubstr("0x20000000"));
  bus->confirm();
}

TEST_F(TcpBusTest, a_device_that_another_client_owns_is_told_or_waited_for) {
  const RunningServer server(device_);
  auto owner = connect(server.port());
  EXPECT_THAT(
      failure<DeviceError>([&] { connect(server.port(), "wait=0"); }),
      AllOf(HasSubstr("owner=127.0.0.1:"), HasSubstr("seconds="), HasSubstr("waiting="), HasSubstr("wait=")));
  std::thread leaves([&] {
    ::usleep(100'000);
    owner.reset();
  });
  const auto next = connect(server.port(), "wait=5");
  leaves.join();
  next->serve(255);
  expect_memory_works(*next, 4096);
}

}  // namespace
}  // namespace bitloop::host::test
