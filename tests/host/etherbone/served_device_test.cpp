#include "host/etherbone/served_device.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>

#include "host/device/registers.h"
#include "tests/host/etherbone/scripted_device.h"
#include "tests/host/etherbone/wire_text.h"

namespace bitloop::host::etherbone {
namespace {

using test::bytes_of;
using test::hex;
using test::ScriptedDevice;

constexpr auto k32 = AddressSize::bits32;

/// A client without a wire.
class EtherboneServedDevice : public testing::Test {
 protected:
  /// All at once, in as many turns as it takes; returns the replies of this call.
  std::vector<std::byte> send(const std::vector<std::byte>& packets) {
    std::vector<std::byte> replies;
    std::size_t at = 0;
    for (ServedDevice::Taken taken{.paused = true}; taken.paused; at += taken.bytes) {
      taken = served.take(std::span(packets).subspan(at), replies);
      foreign = taken.foreign != nullptr;
    }
    left = packets.size() - at;
    return replies;
  }
  static std::vector<std::byte> words_of(const std::vector<std::uint32_t>& values) {
    const auto bytes = std::as_bytes(std::span(values));
    return {bytes.begin(), bytes.end()};
  }
  std::vector<std::byte> write(std::uint64_t address, const std::vector<std::uint32_t>& values) {
    std::vector<std::byte> packet;
    append_request(packet, k32, address, words_of(values), 0, 0, 0);
    return send(packet);
  }
  std::vector<std::uint32_t> read(std::uint64_t address, std::size_t words = 1) {
    std::vector<std::byte> packet;
    append_request(packet, k32, 0, {}, address, words, 5);
    return data_of(send(packet));
  }
  static std::vector<std::uint32_t> data_of(const std::vector<std::byte>& reply) {
    const Framed framed = parse_packet(reply);
    EXPECT_EQ(framed.state, Framed::State::whole);
    std::vector<std::byte> bytes(framed.packet.written.size());
    copy_words(bytes, framed.packet.written);
    std::vector<std::uint32_t> values(bytes.size() / 4);
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }
  std::uint32_t service_word(std::uint32_t offset) { return read(service::kServicePage + offset)[0]; }
  std::uint64_t service_pair(std::uint32_t offset) {
    const auto words = read(service::kServicePage + offset, 2);
    return words[0] | std::uint64_t{words[1]} << 32;
  }
  std::string service_text(std::uint32_t offset, std::size_t bytes) {
    const auto words = read(service::kServicePage + offset, bytes / 4);
    return std::string(reinterpret_cast<const char*>(words.data()), bytes).c_str();
  }
  void start(std::uint32_t sequence) { write(registers::kBase, {0x2000'1000, 0x40, sequence}); }

  ScriptedDevice device;
  ServedDevice served{device, {}};
  bool foreign = false;
  std::size_t left = 0;  ///< bytes of the last packets that were not taken
};

TEST_F(EtherboneServedDevice, memory_keeps_what_was_written) {
  EXPECT_EQ(hex(send(bytes_of("4e6f1044 00000000 000f0200 40000010 11223344 aabbccdd"))), "");
  EXPECT_EQ(hex(std::span(device.memory).subspan(0x10, 8)), "44332211ddccbbaa");
  EXPECT_EQ(hex(send(bytes_of("4e6f1044 00000000 000f0002 00000007 40000010 40000014"))),
            "4e6f104400000000000f02000000000711223344aabbccdd");
}

TEST_F(EtherboneServedDevice, long_addresses_are_answered_in_kind) {
  EXPECT_EQ(hex(send(bytes_of("4e6f1084 00000000 000f0101 0000000040000000 11223344 0000000100000002 "
                              "0000000040000000"))),
            "4e6f108400000000000f0100000000010000000211223344");
  read(service::kServicePage);
  EXPECT_EQ(served.refusals(), 0u);
  send(bytes_of("4e6f1084 00000000 000f0001 0000000100000002 0000000140000000"));
  EXPECT_EQ(served.refusals(), 1u);
}

TEST_F(EtherboneServedDevice, writes_of_a_record_come_before_its_reads) {
  EXPECT_EQ(hex(send(bytes_of("4e6f1044 00000000 000f0101 40000000 01020304 00000009 40000000"))),
            "4e6f104400000000000f01000000000901020304");
}

TEST_F(EtherboneServedDevice, consecutive_writes_go_to_the_device_together) {
  std::vector<std::byte> packets;
  const std::vector<std::byte> data(1020, std::byte{1});
  for (int i = 0; i < 10; ++i) append_request(packets, k32, 0x4000'0000 + 1020 * i, data, 0, 0, 0);
  send(packets);
  EXPECT_EQ(device.calls, std::vector<std::string>{"write_memory 10200"});
}

TEST_F(EtherboneServedDevice, reads_anywhere_are_answered_in_their_order) {
  write(service::kMemory, {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(data_of(send(bytes_of("4e6f1044 00000000 000f0005 00000000 40000010 40000000 40000004 00000000 "
                                  "40000014"))),
            (std::vector<std::uint32_t>{5, 1, 2, registers::kIdValue, 6}));
}

TEST_F(EtherboneServedDevice, base_outside_the_memory_window_is_refused) {
  for (const std::uint32_t base :
       {0u, 0x1fff'f000u, 0x2000'0000u + static_cast<std::uint32_t>(ScriptedDevice::kBytes)})
    write(registers::kBase, {base, 0x40, 1});
  EXPECT_EQ(served.refusals(), 3u);
  EXPECT_EQ(device.starts, 0);
}

TEST_F(EtherboneServedDevice, base_job_and_start_of_a_record_are_one_write) {
  start(7);
  EXPECT_EQ(device.calls, std::vector<std::string>{"write_registers 3"});
  EXPECT_EQ(device.starts, 1);
}

TEST_F(EtherboneServedDevice, the_service_page_tells_of_the_device) {
  EXPECT_EQ(service_word(service::kMagic), service::kMagicValue);
  EXPECT_EQ(service_word(service::kVersion), service::kVersionValue);
  EXPECT_EQ(service_pair(service::kMemoryBase), 0x2000'0000u);
  EXPECT_EQ(service_pair(service::kMemorySize), ScriptedDevice::kBytes);
  EXPECT_EQ(service_pair(service::kMemoryHash), 0xfedcba98'76543210u);
  EXPECT_EQ(service_word(service::kClock), 100'000'000u);
  EXPECT_EQ(service_word(service::kTraits), service::kRepeatable | service::kComputes);
  EXPECT_EQ(service_word(service::kRecordWords), kLargestRecord);
  EXPECT_EQ(service_word(service::kPatience), device.info().patience);
  EXPECT_EQ(service_text(service::kHardwareName, service::kHardwareNameBytes), "scripted");
  EXPECT_EQ(service_text(service::kMemoryName, service::kMemoryNameBytes), "vector");
}

// --- Refusals

TEST_F(EtherboneServedDevice, what_lies_in_no_window_reads_0_and_takes_nothing) {
  const Address end = service::kMemory + ScriptedDevice::kBytes;
  for (const std::uint64_t address :
       {std::uint64_t{0x2000}, std::uint64_t{0x3fff'fffc}, std::uint64_t{end}, std::uint64_t{0xffff'fffc},
        std::uint64_t{0x4000'0002}, std::uint64_t{1}}) {
    const std::uint32_t before = served.refusals();
    EXPECT_EQ(read(address)[0], 0u);
    EXPECT_EQ(served.refusals(), before + 1) << address;
    write(address, {0x1234'5678});
    EXPECT_EQ(served.refusals(), before + 2) << address;
  }
  EXPECT_EQ(service_word(service::kRefusals), 12u);
  EXPECT_NE(service_text(service::kRefusalText, service::kRefusalTextBytes).find("0x1"), std::string::npos);
}

TEST_F(EtherboneServedDevice, a_write_across_the_windows_end_writes_nothing) {
  const Address end = service::kMemory + ScriptedDevice::kBytes;
  write(end - 4, {0x1111'1111, 0x2222'2222});
  EXPECT_EQ(read(end - 4)[0], 0u);
  EXPECT_EQ(served.refusals(), 1u);
  write(registers::kBase, std::vector<std::uint32_t>(255, 0x2000'1000));
  write(service::kServicePage - 4, {1, 1});
  EXPECT_EQ(served.refusals(), 2u);  // the first one is in the window, and the second is not
}

TEST_F(EtherboneServedDevice, a_read_across_the_windows_end_gives_what_is_inside) {
  const Address end = service::kMemory + ScriptedDevice::kBytes;
  write(end - 4, {0x1111'1111});
  EXPECT_EQ(read(end - 4, 3), (std::vector<std::uint32_t>{0x1111'1111, 0, 0}));
  EXPECT_EQ(served.refusals(), 2u);
}

TEST_F(EtherboneServedDevice, what_the_device_refuses_is_told_in_its_words) {
  device.fails_at = 0x80;
  EXPECT_EQ(read(0x80)[0], 0u);
  EXPECT_EQ(service_word(service::kRefusals), 1u);
  EXPECT_EQ(service_text(service::kRefusalText, service::kRefusalTextBytes), "scripted: no such register");
  EXPECT_EQ(read(0)[0], registers::kIdValue);
}

TEST_F(EtherboneServedDevice, the_service_page_takes_only_what_it_names) {
  write(service::kServicePage + service::kMagic, {1});
  write(service::kServicePage + service::kReset, {2});
  write(service::kServicePage + 0xffc, {0});
  EXPECT_EQ(served.refusals(), 3u);
  EXPECT_EQ(device.resets, 0);
}

TEST_F(EtherboneServedDevice, a_bare_server_has_no_service_page) {
  ServedDevice bare(device, {.bare = true});
  std::vector<std::byte> packet;
  append_request(packet, k32, 0, {}, service::kServicePage, 1, 5);
  std::vector<std::byte> replies;
  bare.take(packet, replies);
  EXPECT_EQ(data_of(replies)[0], 0u);
  EXPECT_EQ(bare.refusals(), 1u);
}

TEST_F(EtherboneServedDevice, what_is_no_packet_stops_the_stream_after_those_before_it) {
  const auto replies = send(bytes_of("4e6f1044 00000000 000f0001 00000007 00000000 47455420"));
  EXPECT_TRUE(foreign);
  EXPECT_EQ(left, 4u);
  EXPECT_EQ(data_of(replies)[0], registers::kIdValue);
}

TEST_F(EtherboneServedDevice, probes_are_answered) {
  EXPECT_EQ(hex(send(bytes_of("4e6f1144 00000000"))), "4e6f124400000000");
}

TEST_F(EtherboneServedDevice, a_packet_waits_for_its_end) {
  auto packet = bytes_of("4e6f1044 00000000 000f0100 40000000 11223344");
  packet.pop_back();
  send(packet);
  EXPECT_EQ(left, packet.size());
  EXPECT_TRUE(device.calls.empty());
}

// --- Digests

TEST_F(EtherboneServedDevice, digests_are_of_what_came_and_went_before) {
  Digest received;
  Digest sent;
  EXPECT_EQ(service_pair(service::kReceivedDigest), received.value());
  ServedDevice fresh(device, {});
  std::mt19937 random(1);
  for (int i = 0; i < 20; ++i) {
    std::vector<std::byte> packet;
    append_request(packet, k32, 0x4000'0000, words_of(std::vector<std::uint32_t>(random() % 255, random())),
                   0x4000'0000, random() % 255, random());
    std::vector<std::byte> ask;  // in the same batch: the packets before it count, it itself does not
    append_request(ask, k32, 0, {}, service::kServicePage + service::kReceivedDigest, 4, 1);
    std::vector<std::byte> both = packet;
    both.insert(both.end(), ask.begin(), ask.end());
    std::vector<std::byte> replies;
    fresh.take(both, replies);
    received.add(packet);
    const std::size_t answer = packet_bytes(4, 0, k32);
    const std::span<const std::byte> before = std::span(replies).first(replies.size() - answer);
    sent.add(before);
    const auto words = data_of({replies.end() - static_cast<std::ptrdiff_t>(answer), replies.end()});
    EXPECT_EQ(words[0] | std::uint64_t{words[1]} << 32, received.value());
    EXPECT_EQ(words[2] | std::uint64_t{words[3]} << 32, sent.value());
    received.add(ask);
    sent.add(std::span(replies).last(answer));
  }
}

// --- Jobs

TEST_F(EtherboneServedDevice, wait_is_answered_when_the_job_has_ended) {
  device.job_cycles = 100'000;
  EXPECT_EQ(service_word(service::kWait), service::kEnded);
  start(1);
  EXPECT_TRUE(served.running());
  EXPECT_EQ(service_word(service::kWait), service::kEnded);
  EXPECT_FALSE(served.running());
  EXPECT_EQ(read(registers::kLastDone)[0], 1u);
}

TEST_F(EtherboneServedDevice, wait_goes_no_further_than_the_limit) {
  device.job_cycles = 1'000'000;
  write(service::kServicePage + service::kLimit, {300'000, 0});
  start(1);
  EXPECT_EQ(service_word(service::kWait), service::kAtLimit);
  EXPECT_EQ(device.waited, 300'000u);
  EXPECT_FALSE(served.running());
  EXPECT_EQ(service_word(service::kWait), service::kAtLimit);
  EXPECT_EQ(device.waited, 300'000u);
  // More: it goes on where it was.
  write(service::kServicePage + service::kLimit, {0, 1});
  EXPECT_TRUE(served.running());
  EXPECT_EQ(service_word(service::kWait), service::kEnded);
}

TEST_F(EtherboneServedDevice, wait_answers_in_the_end_about_a_job_without_one) {
  device.job_cycles = ~Cycles{0};
  start(1);
  EXPECT_EQ(service_word(service::kWait), service::kRunning);
  EXPECT_TRUE(served.running());
}

TEST_F(EtherboneServedDevice, many_waits_of_one_packet_wait_once) {
  device.job_cycles = ~Cycles{0};
  start(1);
  std::vector<std::byte> packets;
  for (int i = 0; i < 2; ++i) {
    for (std::size_t at = 0; at < 2; ++at) {
      append_request(packets, k32, 0, {}, service::kServicePage + service::kWait, 1, 1);
    }
  }
  std::vector<std::byte> replies;
  const auto taken = served.take(packets, replies);
  EXPECT_TRUE(taken.paused);
  EXPECT_EQ(taken.bytes, packets.size() / 4);
}

TEST_F(EtherboneServedDevice, a_job_goes_on_while_nobody_asks) {
  device.job_cycles = 50'000;
  start(3);
  int steps = 0;
  for (; served.running(); ++steps) served.step();
  EXPECT_GT(steps, 1);
  EXPECT_EQ(read(registers::kLastDone)[0], 3u);
}

TEST_F(EtherboneServedDevice, a_job_with_the_number_of_the_last_one_runs_to_its_end) {
  device.job_cycles = 50'000;
  for (int i = 0; i < 2; ++i) {
    start(1);
    while (served.running()) served.step();
    EXPECT_EQ(device.left, 0u);
  }
}

TEST_F(EtherboneServedDevice, a_reset_ends_the_job) {
  device.job_cycles = ~Cycles{0};
  start(1);
  write(service::kServicePage + service::kReset, {1});
  EXPECT_EQ(device.resets, 1);
  EXPECT_FALSE(served.running());
  EXPECT_EQ(service_word(service::kWait), service::kEnded);
}

TEST_F(EtherboneServedDevice, a_start_that_is_refused_starts_nothing) {
  device.fails_at = registers::kStart;
  start(1);
  EXPECT_FALSE(served.running());
  EXPECT_EQ(served.refusals(), 1u);
}

TEST_F(EtherboneServedDevice, a_copy_of_the_datagram_that_started_a_job_does_nothing) {
  ServedDevice datagrams(device, {.bare = false, .datagrams = true});
  device.job_cycles = 1'000'000;
  std::vector<std::byte> packet;
  append_request(packet, k32, registers::kBase, words_of({0x2000'1000, 0x40, 9}), 0, 0, 0);
  std::vector<std::byte> replies;
  for (int i = 0; i < 3; ++i) datagrams.take(packet, replies);
  EXPECT_EQ(device.starts, 1);
  EXPECT_EQ(datagrams.refusals(), 0u);
}

// --- As others write it

TEST_F(EtherboneServedDevice, packets_may_have_several_records_and_probes_padding) {
  const auto bytes = bytes_of(
      "4e6f1144 00000000 00000000"                                               // a probe, padded
      "4e6f1044 00000000 000f0001 00000007 00000000 000f0001 00000008 00000000"  // two reads of ID
      "4e6f1044 00000000 000f0001 00000009 00000000");
  std::vector<std::byte> replies;
  std::size_t dealt = 0;
  for (std::size_t come = 1; come <= bytes.size(); ++come) {
    const auto taken = served.take(std::span(bytes).subspan(dealt, come - dealt), replies);
    ASSERT_EQ(taken.foreign, nullptr) << come;
    dealt += taken.bytes;
  }
  EXPECT_EQ(dealt, bytes.size());
  EXPECT_EQ(hex(replies),
            "4e6f124400000000"
            "4e6f104400000000000f010000000007424c504c"
            "4e6f104400000000000f010000000008424c504c"
            "4e6f104400000000000f010000000009424c504c");
}

// --- Whatever comes

TEST_F(EtherboneServedDevice, any_packets_are_survived) {
  std::mt19937 random(7);
  const std::uint64_t places[] = {
      0,           0x30,   0x40,   0xff0,       0x1000,
      0x1030,      0x1100, 0x1ff8, 0x4000'0000, service::kMemory + ScriptedDevice::kBytes - 16,
      0xffff'fff0, 3};
  device.job_cycles = 30'000;
  for (int i = 0; i < 5'000; ++i) {
    const auto size = random() % 8 == 0 ? AddressSize::bits64 : k32;
    std::vector<std::byte> packet;
    append_request(packet, size, places[random() % std::size(places)],
                   words_of(std::vector<std::uint32_t>(random() % 8, random() % 4)),
                   places[random() % std::size(places)], random() % 8, random());
    if (random() % 4 == 0) packet[random() % packet.size()] = static_cast<std::byte>(random());
    std::vector<std::byte> replies;
    const auto taken = served.take(packet, replies);
    ASSERT_LE(taken.bytes, packet.size());
    ASSERT_LE(replies.size(), kLargestPacket);
    for (std::span<const std::byte> rest = replies; !rest.empty();) {
      const Framed framed = parse_packet(rest);
      ASSERT_EQ(framed.state, Framed::State::whole);
      rest = rest.subspan(framed.bytes);
    }
  }
}

}  // namespace
}  // namespace bitloop::host::etherbone
