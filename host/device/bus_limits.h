#pragma once

#include <cstddef>
#include <cstdint>

namespace bitloop::host {

// The bus that a remote device's registers and memory are reached by: what its address
// (host/driver/address.h) may say of it and what the wire (host/etherbone/) carries.

/// Bytes per address, on which both ends must agree.
enum class AddressSize : std::uint8_t { bits32 = 4, bits64 = 8 };

/// 32-bit words written, and words read, by one record: its counts have 8 bits.
inline constexpr std::size_t kLargestRecord = 255;
/// Bytes of a memory window that can be served.
inline constexpr std::uint64_t kLargestServedMemory = 0x8000'0000;
/// TCP and UDP, as LiteX has it.
inline constexpr std::uint16_t kDefaultPort = 1234;

}  // namespace bitloop::host
