#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host/device/bus_limits.h"

namespace bitloop::host {

/// How a device is reached.
enum class Scheme { sim, tcp, tcp_tls, udp, uio };

/// Certificates of one end of a TLS connection (PEM files); both ends prove who they are.
struct TlsFiles {
  std::filesystem::path authority;    ///< whose signatures are trusted
  std::filesystem::path certificate;  ///< of this end
  std::filesystem::path key;          ///< of this end
};

/// Where a bus has what, where no Bitloop server tells (LiteEth, litex_server).
struct BareBoard {
  std::uint64_t registers = 0;    ///< bus address of the accelerator's registers
  std::uint64_t memory = 0;       ///< bus address of the memory that jobs may use, a multiple of 4096
  std::uint64_t memory_size = 0;  ///< bytes
  std::uint64_t memory_base = 0;  ///< where the accelerator sees that memory (by default, where the bus does)
  double clock_hz = 100e6;
  /// Of board and memory together: what its cycles are filed under, with the clock.
  std::string name = "board";
};

/// One device as `--device` names it:
///
///   sim                                     the Verilated accelerator in this process
///   tcp://HOST[:PORT]      tcp+tls://…      a Bitloop server, or litex_server
///   udp://HOST[:PORT]                       LiteEth itself, or a Bitloop server
///   uio:NAME                                the board that this program runs on
///
/// followed by options, `?name=value&name=value`. Times are in seconds.
struct DeviceAddress {
  Scheme scheme = Scheme::sim;
  std::string text;  ///< as given
  std::string host;  ///< or the UIO device
  std::uint16_t port = kDefaultPort;
  bool insecure = false;  ///< insecure=1: neither loopback nor TLS, and the user says that it is right

  using Seconds = std::chrono::duration<double>;
  Seconds connect_timeout{5};  ///< connect=
  Seconds timeout{2};          ///< timeout=: for a record to be taken, and to be answered
  Seconds job_deadline{600};   ///< job=: for one job, by the clock on the wall
  Seconds wait{1};             ///< wait=: for a device that another client owns, or has just left
  Seconds lifetime{0.02};      ///< lifetime=: no copy of a datagram comes later than that (UDP)
  int window = 8;              ///< window=: datagrams under way (UDP)
  std::optional<int> burst;    ///< burst=: words per record, 1..255; default 255, without a server by UDP 4
  AddressSize address_size = AddressSize::bits32;  ///< address=32|64
  std::optional<std::string> fingerprint;  ///< fingerprint=HEX: any other device is refused; may be a prefix
  /// registers=, memory=, size=, base=, clock=, name=; what a LiteX build's csr.csv tells of them: csr=FILE
  std::optional<BareBoard> bare;
  TlsFiles tls;                     ///< ca=, cert=, key=
  std::string buffer = "udmabuf0";  ///< buffer=: u-dma-buf device (uio)

  [[nodiscard]] bool loopback() const;
};

/// Throws InputError, with what is known, for anything else; and for a plain connection that leaves this
/// machine without `insecure`, which --insecure adds.
DeviceAddress parse_device(std::string_view text, bool insecure = false);

/// Splits "a,b,c": several devices. Commas inside options are written %2C.
std::vector<std::string> split_devices(std::string_view text);

}  // namespace bitloop::host
