#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "host/device/bus_limits.h"

/// The Etherbone wire format, in the subset that LiteX speaks: 32-bit data, all fields big-endian; what is
/// written here has one record per packet. (litex/tools/remote/etherbone.py and liteeth describe it; a
/// record's writes come before its reads, writes go to consecutive words, reads name each address.)
///
/// A word's data stands for four bytes of memory, the lowest address in its least significant byte.
namespace bitloop::host::etherbone {

inline constexpr std::size_t kHeaderBytes = 8;        ///< of a packet
inline constexpr std::size_t kRecordHeaderBytes = 4;  ///< of a record
inline constexpr std::size_t kProbePadding = 4;       ///< zeros that senders may put behind a probe

/// Bytes of a packet whose record writes and reads this many words.
std::size_t packet_bytes(std::size_t writes, std::size_t reads, AddressSize size);
inline constexpr std::size_t kLargestPacket =
    kHeaderBytes + kRecordHeaderBytes + 8 + 4 * kLargestRecord + 8 + 8 * kLargestRecord;

/// What one packet says, as views into its bytes.
struct Packet {
  bool probe = false;        ///< asks whether anybody is there (UDP)
  bool probe_reply = false;  ///< says so
  AddressSize size = AddressSize::bits32;
  std::uint64_t write_address = 0;  ///< of the first word; in a reply, the tag that the request gave
  std::uint64_t tag = 0;            ///< where replies go to (base_ret_addr): echoed, so it numbers requests
  std::span<const std::byte> written;    ///< data of the words to write, or of a reply, 4 bytes each
  std::span<const std::byte> addresses;  ///< of the words to read, `size` bytes each

  [[nodiscard]] std::size_t writes() const { return written.size() / 4; }
  [[nodiscard]] std::size_t reads() const { return addresses.size() / static_cast<std::size_t>(size); }
  [[nodiscard]] std::uint64_t read_address(std::size_t index) const;
  /// The words to read are consecutive: then one copy serves them all.
  [[nodiscard]] bool reads_consecutive() const;
};

/// What stands at the front of a stream of bytes.
struct Framed {
  enum class State {
    whole,       ///< a packet of `bytes` bytes
    incomplete,  ///< the beginning of one: more bytes must come
    foreign,     ///< not Etherbone, or not of our subset: `reason` says why; the stream cannot be followed
  };
  State state = State::incomplete;
  std::size_t bytes = 0;
  Packet packet;
  const char* reason = "";
};

/// Reads the packet at the front of `bytes`; never looks beyond them. `size`: the only one that is accepted,
/// or nothing for either.
Framed parse_packet(std::span<const std::byte> bytes, std::optional<AddressSize> size = std::nullopt);
/// Reads a further record of a packet, which has no header of its own.
Framed parse_record(std::span<const std::byte> bytes, AddressSize size);
/// Whether a packet can begin with this byte; a record that is accepted cannot, nor what pads a probe.
bool begins_packet(std::byte first);

/// Appends a packet whose record writes `data` (whole words) to consecutive addresses and then reads `reads`
/// consecutive words from `read_address` on, to be answered under `tag`. Either part may be empty. At most
/// kLargestRecord words each.
void append_request(std::vector<std::byte>& out, AddressSize size, std::uint64_t write_address,
                    std::span<const std::byte> data, std::uint64_t read_address, std::size_t reads,
                    std::uint64_t tag);
/// Appends the reply to a read: room for `words` words, whose data (wire order) the caller fills in.
std::span<std::byte> append_reply(std::vector<std::byte>& out, AddressSize size, std::uint64_t tag,
                                  std::size_t words);
void append_probe(std::vector<std::byte>& out, AddressSize size, bool reply);

/// Copies whole words between memory order and wire order (each word's bytes turned round).
void copy_words(std::span<std::byte> to, std::span<const std::byte> from);

}  // namespace bitloop::host::etherbone
