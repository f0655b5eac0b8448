#include "host/etherbone/packet.h"

#include <bit>
#include <cstring>
#include <stdexcept>

namespace bitloop::host::etherbone {
namespace {

constexpr std::byte kMagic[] = {std::byte{0x4e}, std::byte{0x6f}};
constexpr unsigned kVersion = 1;
constexpr unsigned kProbeFlag = 1;
constexpr unsigned kProbeReply = 2;
constexpr std::byte kAllBytes{0x0f};  // byte_enable of 32-bit words
/// Record flags that change what a record means (bca, rca, rff, wca, wff); cyc does not, for whole words.
constexpr std::byte kConfigurationFlags{0b0110'0111};

/// A word whose bytes stand the other way round where this machine is little-endian, both ways.
constexpr std::uint32_t big_endian(std::uint32_t word) {
  return std::endian::native == std::endian::little ? __builtin_bswap32(word) : word;
}

template <class Word>
Word load_big_endian(const std::byte* from) {
  Word word = 0;
  for (std::size_t i = 0; i < sizeof word; ++i) {
    word = static_cast<Word>(word << 8 | std::to_integer<Word>(from[i]));
  }
  return word;
}

std::uint64_t load_address(const std::byte* from, AddressSize size) {
  return size == AddressSize::bits32 ? load_big_endian<std::uint32_t>(from)
                                     : load_big_endian<std::uint64_t>(from);
}

/// Returns the place after the address.
std::byte* store_address(std::byte* to, AddressSize size, std::uint64_t address) {
  const auto bytes = static_cast<std::size_t>(size);
  for (std::size_t i = 0; i < bytes; ++i) {
    to[i] = static_cast<std::byte>(address >> 8 * (bytes - 1 - i));
  }
  return to + bytes;
}

std::byte* store_header(std::byte* to, AddressSize size, unsigned flags) {
  const auto bytes = static_cast<unsigned>(size);
  const std::byte header[kHeaderBytes] = {kMagic[0], kMagic[1], static_cast<std::byte>(kVersion << 4 | flags),
                                          static_cast<std::byte>(bytes << 4 | 4)};
  std::memcpy(to, header, sizeof header);
  return to + sizeof header;
}

std::byte* store_record(std::byte* to, std::size_t writes, std::size_t reads) {
  to[0] = std::byte{0};
  to[1] = kAllBytes;
  to[2] = static_cast<std::byte>(writes);
  to[3] = static_cast<std::byte>(reads);
  return to + kRecordHeaderBytes;
}

std::byte* grow(std::vector<std::byte>& out, std::size_t bytes) {
  const std::size_t end = out.size();
  out.resize(end + bytes);
  return out.data() + end;
}

Framed foreign(const char* reason) {
  return {.state = Framed::State::foreign, .bytes = 0, .packet = {}, .reason = reason};
}

}  // namespace

std::size_t packet_bytes(std::size_t writes, std::size_t reads, AddressSize size) {
  const auto address = static_cast<std::size_t>(size);
  return kHeaderBytes + kRecordHeaderBytes + (writes > 0 ? address + 4 * writes : 0) +
         (reads > 0 ? address + address * reads : 0);
}

std::uint64_t Packet::read_address(std::size_t index) const {
  return load_address(addresses.data() + index * static_cast<std::size_t>(size), size);
}

bool Packet::reads_consecutive() const {
  if (addresses.empty()) return true;
  const std::uint64_t first = read_address(0);
  const std::size_t words = reads();
  if (size == AddressSize::bits64) {
    bool same = true;
    for (std::size_t i = 1; i < words; ++i) same &= read_address(i) == first + 4 * i;
    return same;
  }
  // Beyond the last address there is nothing: the loop would go on at 0.
  if (first + 4 * words > std::uint64_t{1} << 32) return false;
  std::uint32_t differences = 0;  // no branch per word: a bulk read is mostly this
  for (std::size_t i = 0; i < words; ++i) {
    std::uint32_t address;
    std::memcpy(&address, addresses.data() + 4 * i, 4);
    differences |= big_endian(static_cast<std::uint32_t>(first + 4 * i)) ^ address;
  }
  return differences == 0;
}

Framed parse_packet(std::span<const std::byte> bytes, std::optional<AddressSize> expected) {
  // What is there must fit, so that a stranger is told after his first bytes.
  for (std::size_t i = 0; i < sizeof kMagic && i < bytes.size(); ++i) {
    if (bytes[i] != kMagic[i]) return foreign("it does not begin as Etherbone does");
  }
  if (bytes.size() < kHeaderBytes) return {};
  const auto flags = std::to_integer<unsigned>(bytes[2]);
  const auto sizes = std::to_integer<unsigned>(bytes[3]);
  if (flags >> 4 != kVersion) return foreign("another version of Etherbone");
  if ((sizes & 15) != 4) return foreign("its words have not 32 bits");
  if (sizes >> 4 != 4 && sizes >> 4 != 8) return foreign("its addresses have neither 32 nor 64 bits");
  Framed framed;
  Packet& packet = framed.packet;
  packet.size = static_cast<AddressSize>(sizes >> 4);
  if (expected && packet.size != *expected) return foreign("its addresses have another width");
  packet.probe = (flags & kProbeFlag) != 0;
  packet.probe_reply = (flags & kProbeReply) != 0;
  if (packet.probe || packet.probe_reply) {
    framed.state = Framed::State::whole;
    framed.bytes = kHeaderBytes;
    return framed;
  }
  framed = parse_record(bytes.subspan(kHeaderBytes), packet.size);
  if (framed.bytes > 0) framed.bytes += kHeaderBytes;
  return framed;
}

bool begins_packet(std::byte first) { return first == kMagic[0]; }

Framed parse_record(std::span<const std::byte> bytes, AddressSize size) {
  Framed framed;
  Packet& packet = framed.packet;
  packet.size = size;
  if (bytes.size() < kRecordHeaderBytes) return framed;
  if ((bytes[0] & kConfigurationFlags) != std::byte{0}) {
    return foreign("its record asks for configuration space or a FIFO");
  }
  if (bytes[1] != kAllBytes) return foreign("its record writes parts of words");
  const auto writes = std::to_integer<std::size_t>(bytes[2]);
  const auto reads = std::to_integer<std::size_t>(bytes[3]);
  framed.bytes = packet_bytes(writes, reads, size) - kHeaderBytes;
  if (bytes.size() < framed.bytes) return framed;
  const auto address = static_cast<std::size_t>(size);
  std::size_t at = kRecordHeaderBytes;
  if (writes > 0) {
    packet.write_address = load_address(&bytes[at], packet.size);
    packet.written = bytes.subspan(at + address, 4 * writes);
    at += address + 4 * writes;
  }
  if (reads > 0) {
    packet.tag = load_address(&bytes[at], packet.size);
    packet.addresses = bytes.subspan(at + address, address * reads);
  }
  framed.state = Framed::State::whole;
  return framed;
}

void append_request(std::vector<std::byte>& out, AddressSize size, std::uint64_t write_address,
                    std::span<const std::byte> data, std::uint64_t read_address, std::size_t reads,
                    std::uint64_t tag) {
  const std::size_t writes = data.size() / 4;
  if (data.size() % 4 != 0 || writes > kLargestRecord || reads > kLargestRecord) {
    throw std::logic_error("an Etherbone record has at most 255 whole words");
  }
  std::byte* to = grow(out, packet_bytes(writes, reads, size));
  to = store_record(store_header(to, size, 0), writes, reads);
  if (writes > 0) {
    to = store_address(to, size, write_address);
    copy_words({to, data.size()}, data);
    to += data.size();
  }
  if (reads == 0) return;
  to = store_address(to, size, tag);
  if (size == AddressSize::bits32) {  // a loop that compilers vectorize: a bulk read is mostly this
    for (std::size_t i = 0; i < reads; ++i) {
      const std::uint32_t wire = big_endian(static_cast<std::uint32_t>(read_address + 4 * i));
      std::memcpy(to + 4 * i, &wire, 4);
    }
  } else {
    for (std::size_t i = 0; i < reads; ++i) to = store_address(to, size, read_address + 4 * i);
  }
}

std::span<std::byte> append_reply(std::vector<std::byte>& out, AddressSize size, std::uint64_t tag,
                                  std::size_t words) {
  std::byte* to = grow(out, packet_bytes(words, 0, size));
  to = store_record(store_header(to, size, 0), words, 0);
  to = store_address(to, size, tag);
  return {to, 4 * words};
}

void append_probe(std::vector<std::byte>& out, AddressSize size, bool reply) {
  store_header(grow(out, kHeaderBytes), size, reply ? kProbeReply : kProbeFlag);
}

void copy_words(std::span<std::byte> to, std::span<const std::byte> from) {
  const std::size_t words = from.size() / 4;
  for (std::size_t i = 0; i < words; ++i) {
    std::uint32_t word;
    std::memcpy(&word, from.data() + 4 * i, 4);
    word = __builtin_bswap32(word);
    std::memcpy(to.data() + 4 * i, &word, 4);
  }
}

}  // namespace bitloop::host::etherbone
