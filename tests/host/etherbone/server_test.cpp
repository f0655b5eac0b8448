#include "host/etherbone/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "host/base/error.h"
#include "host/device/registers.h"
#include "host/etherbone/packet.h"
#include "host/etherbone/service.h"
#include "tests/host/etherbone/running_server.h"
#include "tests/host/etherbone/scripted_device.h"
#include "tests/host/etherbone/sockets.h"
#include "tests/host/etherbone/wire_text.h"

namespace bitloop::host::etherbone {
namespace {

using test::bytes_of;
using test::hex;
using test::RunningServer;
using test::ScriptedDevice;
using test::Socket;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::StartsWith;

constexpr int kPatience = 10'000;  // milliseconds, for what comes at once

/// A client as plain as can be.
class Client {
 public:
  explicit Client(std::uint16_t port) : socket_(Socket::connected(SOCK_STREAM, port)) {}

  /// The next line, or what came before the end.
  std::string line() {
    std::string text;
    for (std::byte byte; text.find('\n') == std::string::npos && receive({&byte, 1});) {
      text += static_cast<char>(byte);
    }
    return text;
  }
  void send(const std::vector<std::byte>& bytes) const { EXPECT_TRUE(socket_.send(bytes)); }
  /// False where the connection ends before.
  bool receive(std::span<std::byte> room) const {
    while (!room.empty()) {
      if (!socket_.readable(kPatience)) return false;
      const std::ptrdiff_t bytes = socket_.receive(room);
      if (bytes <= 0) return false;
      room = room.subspan(static_cast<std::size_t>(bytes));
    }
    return true;
  }
  std::uint32_t read(std::uint64_t address) const {
    std::vector<std::byte> packet;
    append_request(packet, AddressSize::bits32, 0, {}, address, 1, 5);
    send(packet);
    std::byte reply[20];
    if (!receive(reply)) throw std::runtime_error("no reply");
    std::uint32_t word = 0;
    copy_words(std::as_writable_bytes(std::span(&word, 1)), std::span(reply).last(4));
    return word;
  }
  void write(std::uint64_t address, const std::vector<std::uint32_t>& words) const {
    std::vector<std::byte> packet;
    append_request(packet, AddressSize::bits32, address, std::as_bytes(std::span(words)), 0, 0, 0);
    send(packet);
  }
  [[nodiscard]] const Socket& socket() const { return socket_; }

 private:
  Socket socket_;
};

/// It has the device, now or after those before it.
void expect_device(Client& client) {
  std::string line = client.line();
  if (line.starts_with("Bitloop 1 busy")) line = client.line();
  EXPECT_EQ(line, "Bitloop 1 ready\n");
}

/// Whether `holds()` does, within the patience.
template <class Condition>
bool soon(const Condition& holds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(kPatience);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end) return false;
  }
  return true;
}

/// A server's log, as it is written in another thread.
class Log {
 public:
  auto sink() {
    return [this](const std::string& line) {
      const std::lock_guard lock(mutex_);
      text_ += line + "\n";
    };
  }
  std::string text() {
    const std::lock_guard lock(mutex_);
    return text_;
  }

 private:
  std::mutex mutex_;
  std::string text_;
};

TEST(EtherboneServer, the_first_client_has_the_device) {
  ScriptedDevice device;
  const RunningServer server(device);
  Client client(server.port());
  EXPECT_EQ(client.line(), "Bitloop 1 ready\n");
  EXPECT_EQ(client.read(registers::kId), registers::kIdValue);
  EXPECT_EQ(client.read(service::kServicePage), service::kMagicValue);
}

TEST(EtherboneServer, others_are_told_who_has_it_and_get_it_in_their_order) {
  ScriptedDevice device;
  const RunningServer server(device);
  auto first = std::make_unique<Client>(server.port());
  EXPECT_EQ(first->line(), "Bitloop 1 ready\n");
  Client second(server.port());
  EXPECT_THAT(second.line(),
              MatchesRegex("Bitloop 1 busy owner=127.0.0.1:[0-9]+ seconds=[0-9]+ waiting=0\n"));
  Client third(server.port());
  EXPECT_THAT(third.line(), MatchesRegex("Bitloop 1 busy owner=127.0.0.1:[0-9]+ seconds=[0-9]+ waiting=1\n"));
  first.reset();
  EXPECT_EQ(second.line(), "Bitloop 1 ready\n");
  EXPECT_EQ(device.resets, 1);
  EXPECT_FALSE(third.socket().readable(20));
  second.socket().shut();
  EXPECT_EQ(third.line(), "Bitloop 1 ready\n");
  EXPECT_EQ(third.read(registers::kId), registers::kIdValue);
}

TEST(EtherboneServer, too_many_are_sent_away) {
  ScriptedDevice device;
  const RunningServer server(device, Scheme::tcp, [](ServerOptions& options) { options.waiting = 1; });
  Client owner(server.port());
  owner.line();
  Client waiter(server.port());
  waiter.line();
  for (int i = 0; i < 100; ++i) {
    Client client(server.port());
    EXPECT_THAT(client.line(),
                MatchesRegex("Bitloop 1 busy owner=127.0.0.1:[0-9]+ seconds=[0-9]+ waiting=1\n"));
    EXPECT_EQ(client.line(), "");
  }
  EXPECT_EQ(owner.read(registers::kId), registers::kIdValue);
}

TEST(EtherboneServer, who_leaves_while_waiting_is_passed_over) {
  ScriptedDevice device;
  const RunningServer server(device);
  auto owner = std::make_unique<Client>(server.port());
  owner->line();
  auto leaver = std::make_unique<Client>(server.port());
  leaver->line();
  leaver.reset();
  Client waiter(server.port());
  waiter.line();
  owner.reset();
  EXPECT_EQ(waiter.line(), "Bitloop 1 ready\n");
}

// LiteX's clients read the first line, understand nothing of it, and take a second one for replies.
TEST(EtherboneServer, what_a_waiting_client_sends_is_answered_when_its_turn_comes) {
  ScriptedDevice device;
  const RunningServer server(device);
  auto owner = std::make_unique<Client>(server.port());
  owner->line();
  Client waiter(server.port());
  waiter.line();
  std::vector<std::byte> packets;
  for (std::uint64_t i = 0; i < 1000; ++i) append_request(packets, AddressSize::bits32, 0, {}, 0, 1, i);
  ASSERT_GT(packets.size(), 4096u);  // more than the server looks at before
  waiter.send(packets);
  owner->read(registers::kId);  // by then they have come
  owner.reset();
  std::vector<std::byte> replies(packets.size());
  ASSERT_TRUE(waiter.receive(replies));
  EXPECT_EQ(hex(std::span(replies).last(8)), "000003e7424c504c");  // the last tag, and the ID
}

TEST(EtherboneServer, a_client_that_goes_ends_its_job) {
  ScriptedDevice device;
  device.job_cycles = ~Cycles{0};
  const RunningServer server(device);
  auto owner = std::make_unique<Client>(server.port());
  owner->line();
  owner->write(registers::kBase, {0x2000'1000, 0x40, 1});
  EXPECT_EQ(owner->read(registers::kStatus), 1u);
  owner.reset();
  Client next(server.port());
  expect_device(next);
  EXPECT_EQ(next.read(registers::kStatus), 0u);
}

TEST(EtherboneServer, a_client_for_whom_there_is_no_memory_frees_the_device) {
  ScriptedDevice device;
  device.no_memory_at = 0;
  const RunningServer server(device);
  Client unlucky(server.port());
  EXPECT_EQ(unlucky.line(), "");
  Client next(server.port());
  expect_device(next);
}

TEST(EtherboneServer, a_waiting_client_for_whom_there_is_no_memory_is_passed_over) {
  ScriptedDevice device;
  device.no_memory_at = 1;
  const RunningServer server(device);
  auto owner = std::make_unique<Client>(server.port());
  owner->line();
  Client unlucky(server.port());
  unlucky.line();
  Client next(server.port());
  next.line();
  owner.reset();
  EXPECT_EQ(unlucky.line(), "");
  EXPECT_EQ(next.line(), "Bitloop 1 ready\n");
}

TEST(EtherboneServer, strangers_are_sent_away_and_free_the_device) {
  ScriptedDevice device;
  Log log;
  const RunningServer server(device, Scheme::tcp, [&](ServerOptions& options) { options.log = log.sink(); });
  Client stranger(server.port());
  stranger.line();
  stranger.send(bytes_of("474554202f20485454502f312e310d0a"));
  EXPECT_EQ(stranger.line(), "");
  Client next(server.port());
  expect_device(next);
  EXPECT_THAT(log.text(), HasSubstr("does not speak our Etherbone"));
}

TEST(EtherboneServer, a_plain_litex_client_runs_a_job) {
  ScriptedDevice device;
  device.job_cycles = 10'000'000;
  const RunningServer server(device, Scheme::tcp, [](ServerOptions& options) { options.bare = true; });
  Client client(server.port());
  std::byte banner[22];
  ASSERT_TRUE(client.receive(banner));
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(banner), sizeof banner), "CommUDP:localhost:1234");
  for (const char* write : {"4e6f1044 00000000 000f0100 00000040 20001000",     // BASE
                            "4e6f1044 00000000 000f0100 00000044 00000040",     // JOB
                            "4e6f1044 00000000 000f0100 00000048 00000005"}) {  // START
    client.send(bytes_of(write));
  }
  EXPECT_TRUE(soon([&] { return client.read(registers::kLastDone) == 5; }));
  EXPECT_EQ(client.read(service::kServicePage), 0u);
  EXPECT_EQ(device.starts, 1);
}

TEST(EtherboneServer, others_are_attended_to_while_one_waits_for_a_job) {
  ScriptedDevice device;
  device.job_cycles = ~Cycles{0};
  const RunningServer server(device);
  Client owner(server.port());
  owner.line();
  owner.write(registers::kBase, {0x2000'1000, 0x40, 1});
  for (int i = 0; i < 3; ++i) {
    Client other(server.port());
    EXPECT_THAT(other.line(), StartsWith("Bitloop 1 busy"));
    EXPECT_EQ(owner.read(service::kServicePage + service::kWait), service::kRunning);
  }
}

TEST(EtherboneServer, a_client_that_reads_no_replies_is_kept_waiting) {
  ScriptedDevice device;
  const RunningServer server(device);
  Client client(server.port());
  client.line();
  std::vector<std::byte> packets;
  for (int i = 0; i < 500; ++i) append_request(packets, AddressSize::bits32, 0, {}, service::kMemory, 255, 1);
  // Without reading, until nothing more is taken for a while.
  std::size_t sent = 0;
  const auto writable = [&] {
    pollfd descriptor{client.socket().handle(), POLLOUT, 0};
    return ::poll(&descriptor, 1, 300) > 0;
  };
  while (writable()) {
    const std::size_t at = sent % packets.size();
    const auto bytes = ::send(client.socket().handle(), &packets[at], packets.size() - at, MSG_DONTWAIT);
    ASSERT_GT(bytes, 0);
    sent += static_cast<std::size_t>(bytes);
    ASSERT_LT(sent, 64u << 20);
  }
  Client other(server.port());
  EXPECT_THAT(other.line(), StartsWith("Bitloop 1 busy"));
  // Each whole request has its reply, of the same size.
  const std::size_t whole = sent / packet_bytes(0, 255, AddressSize::bits32);
  std::vector<std::byte> replies(whole * packet_bytes(255, 0, AddressSize::bits32));
  EXPECT_TRUE(client.receive(replies));
}

TEST(EtherboneServer, it_stops_in_the_midst_of_a_job) {
  ScriptedDevice device;
  device.job_cycles = ~Cycles{0};
  {
    const RunningServer server(device);
    Client owner(server.port());
    owner.line();
    owner.write(registers::kBase, {0x2000'1000, 0x40, 1});
    EXPECT_EQ(owner.read(registers::kStatus), 1u);
    Client waiter(server.port());
    waiter.line();
  }
  EXPECT_EQ(device.resets, 1);
}

TEST(EtherboneServer, a_flood_of_clients_leaves_it_alive_and_its_log_short) {
  ScriptedDevice device;
  Log log;
  {
    const RunningServer server(device, Scheme::tcp,
                               [&](ServerOptions& options) { options.log = log.sink(); });
    Client owner(server.port());
    owner.line();
    for (int round = 0; round < 10; ++round) {
      std::vector<Client> clients;
      for (int i = 0; i < 100; ++i) clients.emplace_back(server.port());
    }
    EXPECT_EQ(owner.read(registers::kId), registers::kIdValue);
  }
  EXPECT_LT(log.text().size(), 50'000u);
}

TEST(EtherboneServer, refusals_are_told_in_the_log) {
  ScriptedDevice device;
  Log log;
  {
    const RunningServer server(device, Scheme::tcp,
                               [&](ServerOptions& options) { options.log = log.sink(); });
    Client client(server.port());
    client.line();
    EXPECT_EQ(client.read(0x3000), 0u);
    client.socket().shut();
    Client next(server.port());
    expect_device(next);
  }
  EXPECT_THAT(log.text(), HasSubstr("1 accesses were refused, the last: "));
}

// --- Where it listens

TEST(EtherboneServer, listen_texts_are_read) {
  const auto check = [](const char* text, Scheme scheme, const char* host, int port) {
    const ListenAddress listen = parse_listen(text);
    EXPECT_EQ(listen.scheme, scheme) << text;
    EXPECT_EQ(listen.host, host) << text;
    EXPECT_EQ(listen.port, port) << text;
  };
  check("127.0.0.1:0", Scheme::tcp, "127.0.0.1", 0);
  check("localhost", Scheme::tcp, "localhost", kDefaultPort);
  check("udp://[::1]:65535", Scheme::udp, "::1", 65535);
  check("tcp+tls://0.0.0.0:5", Scheme::tcp_tls, "0.0.0.0", 5);
  for (const char* text : {"", ":1234", "host:", "host:x", "host:65536", "host:1:2", "::1", "[::1", "[::1]x",
                           "http://host:1", "host:-1", "host:1 "}) {
    EXPECT_THROW(parse_listen(text), InputError) << text;
  }
}

TEST(EtherboneServer, other_machines_are_let_in_only_on_purpose) {
  ScriptedDevice device;
  ServerOptions options;
  options.listen = {Scheme::tcp, "0.0.0.0", 0};
  EXPECT_THROW(Server(device, options), InputError);
  options.listen.scheme = Scheme::udp;
  EXPECT_THROW(Server(device, options), InputError);
}

TEST(EtherboneServer, a_port_that_is_taken_is_an_error) {
  ScriptedDevice device;
  const Socket taken = Socket::bound(SOCK_STREAM);
  ServerOptions options;
  options.listen.port = taken.port();
  EXPECT_THROW(Server(device, options), DeviceError);
}

// --- UDP

/// A client of a UDP server that waits for its replies.
class DatagramClient {
 public:
  explicit DatagramClient(std::uint16_t port) : socket_(Socket::connected(SOCK_DGRAM, port)) {}
  void send(const std::vector<std::byte>& datagram) const { EXPECT_TRUE(socket_.send(datagram)); }
  /// Empty where none comes.
  [[nodiscard]] std::string reply(int milliseconds = kPatience) const {
    if (!socket_.readable(milliseconds)) return "";
    std::vector<std::byte> room(4096);
    const std::ptrdiff_t bytes = socket_.receive(room);
    return bytes < 0 ? "" : hex(std::span(room).first(static_cast<std::size_t>(bytes)));
  }
  [[nodiscard]] std::string ask(std::uint32_t tag, int milliseconds = kPatience) const {
    std::vector<std::byte> packet;
    append_request(packet, AddressSize::bits32, 0, {}, registers::kId, 1, tag);
    send(packet);
    return reply(milliseconds);
  }

 private:
  Socket socket_;
};

constexpr const char* kReplyWithTag7 = "4e6f104400000000000f010000000007424c504c";

TEST(EtherboneUdpServer, each_datagram_is_answered_to_who_sent_it) {
  ScriptedDevice device;
  const RunningServer server(device, Scheme::udp);
  const DatagramClient client(server.port());
  EXPECT_EQ(client.ask(7), kReplyWithTag7);
}

TEST(EtherboneUdpServer, the_device_belongs_to_whoever_spoke_first) {
  ScriptedDevice device;
  const RunningServer server(device, Scheme::udp);
  const DatagramClient owner(server.port());
  EXPECT_EQ(owner.ask(7), kReplyWithTag7);
  const DatagramClient other(server.port());
  other.send(bytes_of("4e6f1044 00000000 000f0100 40000000 11223344"));
  EXPECT_EQ(other.ask(7, 100), "");
  // A probe, as LiteX pads it, is answered to anybody, and makes nobody the owner.
  other.send(bytes_of("4e6f1144 00000000 00000000"));
  EXPECT_EQ(other.reply(), "4e6f124400000000");
  EXPECT_EQ(owner.ask(7), kReplyWithTag7);
  EXPECT_EQ(device.memory[0], std::byte{0});
}

TEST(EtherboneUdpServer, a_client_that_has_done_frees_the_device) {
  ScriptedDevice device;
  const RunningServer server(device, Scheme::udp);
  const DatagramClient owner(server.port());
  EXPECT_EQ(owner.ask(7), kReplyWithTag7);
  // A copy of it does nothing.
  for (int i = 0; i < 2; ++i) owner.send(bytes_of("4e6f1044 00000000 000f0100 00001054 00000001"));
  const DatagramClient other(server.port());
  EXPECT_TRUE(soon([&] { return other.ask(7, 20) == kReplyWithTag7; }));
  EXPECT_EQ(device.resets, 1);
}

TEST(EtherboneUdpServer, a_client_that_says_nothing_frees_the_device) {
  ScriptedDevice device;
  const RunningServer server(device, Scheme::udp,
                             [](ServerOptions& options) { options.idle_seconds = 0.05; });
  const DatagramClient owner(server.port());
  EXPECT_EQ(owner.ask(7), kReplyWithTag7);
  const DatagramClient other(server.port());
  EXPECT_TRUE(soon([&] { return other.ask(7, 10) == kReplyWithTag7; }));
}

TEST(EtherboneUdpServer, each_record_of_a_datagram_is_answered_by_itself) {
  ScriptedDevice device;
  const RunningServer server(device, Scheme::udp);
  const DatagramClient client(server.port());
  client.send(
      bytes_of("4e6f1044 00000000 000f0001 00000007 00000000 000f0100 40000000 11223344 "
               "000f0001 00000008 00000000"));
  EXPECT_EQ(client.reply(), kReplyWithTag7);
  EXPECT_EQ(client.reply(), "4e6f104400000000000f010000000008424c504c");
  EXPECT_EQ(device.memory[0], std::byte{0x44});
}

TEST(EtherboneUdpServer, datagrams_that_are_no_packet_are_dropped) {
  ScriptedDevice device;
  const RunningServer server(device, Scheme::udp);
  const DatagramClient client(server.port());
  for (const char* text : {"47455420", "4e6f1044 00000000 000f0100 40000000", "4e6f1044",
                           "4e6f1044 00000000 000f0100 40000000 11223344 00", "4e6f1244 00000000"}) {
    client.send(bytes_of(text));
  }
  client.send({});
  client.send(std::vector<std::byte>(9000, std::byte{0x4e}));
  EXPECT_EQ(client.ask(7), kReplyWithTag7);
  EXPECT_TRUE(device.calls.empty());
}

TEST(EtherboneUdpServer, a_job_goes_on_between_datagrams) {
  ScriptedDevice device;
  device.job_cycles = 10'000'000;
  const RunningServer server(device, Scheme::udp);
  const DatagramClient client(server.port());
  client.send(bytes_of("4e6f1044 00000000 000f0300 00000040 20001000 00000040 00000005"));
  EXPECT_TRUE(soon([&] {
    client.send(bytes_of("4e6f1044 00000000 000f0001 00000007 0000004c"));
    return client.reply().ends_with("00000005");
  }));
}

}  // namespace
}  // namespace bitloop::host::etherbone
