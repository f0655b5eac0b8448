#pragma once

#include <cstddef>
#include <cstdint>

/// The addresses that a Bitloop server (`bitloop serve`, `bitloopd`) answers at, and its service page: what a
/// client must know of a device that the device's own registers do not tell, and what makes a socket sound.
/// docs/boards.md describes it. A board without such a server (LiteEth itself, litex_server) has no service
/// page; then the device's text names its registers and its memory (host/driver/address.h).
///
/// All are 32-bit words, by byte offset from kServicePage. "lo, hi": 64 bits in two words.
namespace bitloop::host::etherbone::service {

inline constexpr std::uint64_t kRegisters = 0x0000'0000;    ///< 4 KB: the accelerator's registers
inline constexpr std::uint64_t kServicePage = 0x0000'1000;  ///< 4 KB
inline constexpr std::uint64_t kMemory = 0x4000'0000;       ///< the memory window
inline constexpr std::uint64_t kPageSize = 0x1000;

inline constexpr std::uint32_t kMagicValue = 0x424c5356;  ///< ASCII 'BLSV'
inline constexpr std::uint32_t kVersionValue = 1;

inline constexpr std::uint32_t kMagic = 0x000;
inline constexpr std::uint32_t kVersion = 0x004;     ///< of this page
inline constexpr std::uint32_t kMemoryBase = 0x008;  ///< lo, hi: Device::memory_base
inline constexpr std::uint32_t kMemorySize = 0x010;  ///< lo, hi: bytes
inline constexpr std::uint32_t kMemoryHash = 0x018;  ///< lo, hi: the fingerprint's second half
inline constexpr std::uint32_t kClock = 0x020;       ///< Hz
inline constexpr std::uint32_t kTraits = 0x024;      ///< bits: kDuplex, kRepeatable, kComputes
inline constexpr std::uint32_t kDuplex = 1;
inline constexpr std::uint32_t kRepeatable = 2;
inline constexpr std::uint32_t kComputes = 4;
inline constexpr std::uint32_t kRecordWords = 0x028;  ///< the largest record that the server takes

inline constexpr std::uint32_t kPatience = 0x02c;  ///< HardwareInfo::patience; 0: not known

/// Read: answered when the job that runs ends, or after kWaitMilliseconds; one of the values below.
inline constexpr std::uint32_t kWait = 0x030;
inline constexpr std::uint32_t kWaitMilliseconds = 50;
inline constexpr std::uint32_t kRunning = 0;
inline constexpr std::uint32_t kEnded = 1;      ///< nothing runs
inline constexpr std::uint32_t kAtLimit = 2;    ///< the job runs on after the cycles of kLimit
inline constexpr std::uint32_t kLimit = 0x034;  ///< lo, hi; write: cycles that the next job may take
inline constexpr std::uint32_t kReset = 0x03c;  ///< write 1: Device::reset
/// lo, hi: XXH3 of all packets of this connection that came before the one that asks, and of all replies that
/// went before its own. (The replies' digest is not told by UDP: datagrams have their own checksum.)
inline constexpr std::uint32_t kReceivedDigest = 0x040;
inline constexpr std::uint32_t kSentDigest = 0x048;
/// Accesses of this connection that were refused (outside the windows, or by the device), and why the last
/// one was: text, zero-padded.
inline constexpr std::uint32_t kRefusals = 0x050;
/// Write 1: this client has done, and another one may have the device (UDP, where nothing else tells it).
inline constexpr std::uint32_t kRelease = 0x054;
/// Another number for each client that got the device: where it changes, the device has been another one's.
inline constexpr std::uint32_t kSession = 0x058;
inline constexpr std::uint32_t kRefusalText = 0x100;
inline constexpr std::size_t kRefusalTextBytes = 256;
inline constexpr std::uint32_t kHardwareName = 0x080;  ///< texts, zero-padded
inline constexpr std::size_t kHardwareNameBytes = 64;
inline constexpr std::uint32_t kMemoryName = 0x0c0;
inline constexpr std::size_t kMemoryNameBytes = 64;

/// The first line that a TCP server sends, at most 128 bytes, before anything is asked: what LiteX's clients
/// expect there. "Bitloop 1 ready\n" tells that the connection owns the device; "Bitloop 1 busy owner=ADDRESS
/// seconds=N waiting=N\n" that it waits, N before it: its own "ready" line follows when its turn comes.
/// Where too many wait already, the connection ends after that line.
inline constexpr const char* kBannerStart = "Bitloop ";
inline constexpr std::size_t kBannerBytes = 128;

}  // namespace bitloop::host::etherbone::service
