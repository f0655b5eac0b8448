#include "host/etherbone/packet.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/host/etherbone/wire_text.h"

namespace bitloop::host::etherbone {
namespace {

using test::bytes_of;
using test::hex;

constexpr AddressSize kSizes[] = {AddressSize::bits32, AddressSize::bits64};

/// A packet with these counts, all fields different from each other.
std::vector<std::byte> some_packet(AddressSize size, std::size_t writes, std::size_t reads) {
  std::vector<std::byte> packet;
  std::vector<std::byte> data(4 * writes);
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::byte>(i * 37 + 11);
  append_request(packet, size, 0x4000'0010, data, 0x4000'1000, reads, 0x77);
  return packet;
}

// The bytes that LiteX's own encoder makes (reference D.4).

TEST(EtherbonePacket, a_write_has_the_bytes_that_litex_sends) {
  std::vector<std::byte> out;
  append_request(out, AddressSize::bits32, 0x4000'0010, bytes_of("44332211 ddccbbaa"), 0, 0, 0);
  EXPECT_EQ(hex(out), "4e6f104400000000000f02004000001011223344aabbccdd");
}

TEST(EtherbonePacket, a_read_has_the_bytes_that_litex_sends) {
  std::vector<std::byte> out;
  append_request(out, AddressSize::bits32, 0, {}, 0x4000'0010, 2, 7);
  EXPECT_EQ(hex(out), "4e6f104400000000000f0002000000074000001040000014");
}

TEST(EtherbonePacket, a_reply_is_a_write_to_the_tag) {
  std::vector<std::byte> out;
  copy_words(append_reply(out, AddressSize::bits32, 7, 1), bytes_of("44332211"));
  EXPECT_EQ(hex(out), "4e6f104400000000000f01000000000711223344");
}

TEST(EtherbonePacket, a_probe_and_its_reply_differ_in_one_flag) {
  std::vector<std::byte> out;
  append_probe(out, AddressSize::bits32, false);
  append_probe(out, AddressSize::bits32, true);
  EXPECT_EQ(hex(out),
            "4e6f114400000000"
            "4e6f124400000000");
}

TEST(EtherbonePacket, long_addresses_have_8_bytes) {
  std::vector<std::byte> out;
  append_request(out, AddressSize::bits64, 0x1'4000'0010, bytes_of("44332211"), 0x2'0000'0000, 2, 7);
  EXPECT_EQ(hex(out),
            "4e6f108400000000000f0102"
            "0000000140000010"
            "11223344"
            "0000000000000007"
            "0000000200000000"
            "0000000200000004");
}

TEST(EtherbonePacket, what_was_appended_is_read_back) {
  for (const AddressSize size : kSizes) {
    for (const auto& [writes, reads] : {std::pair{0, 0}, {1, 0}, {0, 1}, {3, 2}, {255, 255}}) {
      const auto bytes = some_packet(size, writes, reads);
      ASSERT_EQ(bytes.size(), packet_bytes(writes, reads, size));
      const Framed framed = parse_packet(bytes);
      ASSERT_EQ(framed.state, Framed::State::whole);
      EXPECT_EQ(framed.bytes, bytes.size());
      const Packet& packet = framed.packet;
      ASSERT_EQ(packet.writes(), static_cast<std::size_t>(writes));
      ASSERT_EQ(packet.reads(), static_cast<std::size_t>(reads));
      EXPECT_EQ(packet.size, size);
      EXPECT_EQ(packet.write_address, writes > 0 ? 0x4000'0010u : 0u);
      EXPECT_EQ(packet.tag, reads > 0 ? 0x77u : 0u);
      EXPECT_TRUE(packet.reads_consecutive());
      for (std::size_t i = 0; i < packet.reads(); ++i) EXPECT_EQ(packet.read_address(i), 0x4000'1000 + 4 * i);
    }
  }
}

TEST(EtherbonePacket, every_beginning_of_a_packet_is_incomplete) {
  for (const AddressSize size : kSizes) {
    const auto bytes = some_packet(size, 3, 2);
    for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
      // A copy of its own, so that a sanitizer sees a look beyond it.
      const std::vector<std::byte> beginning(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(cut));
      EXPECT_EQ(parse_packet(beginning).state, Framed::State::incomplete) << cut;
    }
  }
}

TEST(EtherbonePacket, the_next_packet_begins_where_the_first_one_ends) {
  auto bytes = some_packet(AddressSize::bits32, 3, 2);
  const std::size_t first = bytes.size();
  append_probe(bytes, AddressSize::bits32, false);
  EXPECT_EQ(parse_packet(bytes).bytes, first);
  EXPECT_TRUE(parse_packet(std::span(bytes).subspan(first)).packet.probe);
}

TEST(EtherbonePacket, words_anywhere_are_not_consecutive) {
  for (const char* text : {"4e6f104400000000000f0003 00000000 00000010 00000014 0000001c",
                           "4e6f104400000000000f0003 00000000 00000010 00000014 00000010",
                           "4e6f104400000000000f0002 00000000 00000010 00000010",
                           "4e6f108400000000000f0002 0000000000000000 0000000100000010 0000000200000014",
                           // Beyond the last address there is nothing, not the first one.
                           "4e6f104400000000000f0002 00000000 fffffffc 00000000"}) {
    const auto bytes = bytes_of(text);
    const Framed framed = parse_packet(bytes);
    ASSERT_EQ(framed.state, Framed::State::whole) << text;
    EXPECT_FALSE(framed.packet.reads_consecutive()) << text;
  }
}

TEST(EtherbonePacket, strangers_are_recognized_as_soon_as_they_differ) {
  for (const char* text : {
           "47",                          // "GET / HTTP"
           "4e70",                        //
           "4e6f2044 00000000",           // version 2
           "4e6f1042 00000000",           // 16-bit words
           "4e6f1014 00000000",           // 8-bit addresses
           "4e6f10c4 00000000",           // both 32 and 64
           "4e6f1044 00000000 010f0001",  // configuration space
           "4e6f1044 00000000 200f0100",  //
           "4e6f1044 00000000 400f0200",  // a FIFO
           "4e6f1044 00000000 00030100",  // half a word
       }) {
    const auto bytes = bytes_of(text);
    const Framed framed = parse_packet(bytes);
    EXPECT_EQ(framed.state, Framed::State::foreign) << text;
    EXPECT_STRNE(framed.reason, "") << text;
  }
}

TEST(EtherbonePacket, another_address_width_than_agreed_is_foreign) {
  const auto bytes = some_packet(AddressSize::bits64, 1, 0);
  EXPECT_EQ(parse_packet(bytes, AddressSize::bits64).state, Framed::State::whole);
  EXPECT_EQ(parse_packet(bytes, AddressSize::bits32).state, Framed::State::foreign);
}

TEST(EtherbonePacket, any_bytes_are_read_within_their_bounds) {
  std::mt19937 random(1);
  for (int i = 0; i < 20'000; ++i) {
    auto bytes = some_packet(kSizes[random() % 2], random() % 4, random() % 4);
    for (unsigned k = random() % 4; k > 0; --k)
      bytes[random() % bytes.size()] = static_cast<std::byte>(random());
    bytes.resize(random() % (bytes.size() + 1));
    bytes.shrink_to_fit();
    const Framed framed = parse_packet(bytes);
    if (framed.state != Framed::State::whole) continue;
    ASSERT_LE(framed.bytes, bytes.size());
    ASSERT_EQ(framed.packet.written.size() % 4, 0u);
    (void)framed.packet.reads_consecutive();
    for (std::size_t k = 0; k < framed.packet.reads(); ++k) (void)framed.packet.read_address(k);
  }
}

TEST(EtherbonePacket, more_words_than_a_record_holds_are_refused) {
  std::vector<std::byte> out;
  const std::vector<std::byte> data(4 * (kLargestRecord + 1));
  EXPECT_THROW(append_request(out, AddressSize::bits32, 0, data, 0, 0, 0), std::logic_error);
  EXPECT_THROW(append_request(out, AddressSize::bits32, 0, {}, 0, kLargestRecord + 1, 0), std::logic_error);
  EXPECT_THROW(append_request(out, AddressSize::bits32, 0, std::span(data).first(3), 0, 0, 0),
               std::logic_error);
}

}  // namespace
}  // namespace bitloop::host::etherbone
