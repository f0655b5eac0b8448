#include "host/driver/address.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "host/base/error.h"
#include "host/base/option_text.h"
#include "host/device/csr_map.h"

namespace bitloop::host {
namespace {

constexpr const char* kForms =
    "sim, tcp://HOST[:PORT], tcp+tls://HOST[:PORT], udp://HOST[:PORT] or uio:NAME, then ?option=value&...";
constexpr std::uint64_t kPage = 4096;  ///< bytes of the registers, and what the memory is aligned to

/// Bytes, with K, M or G for powers of 1024.
std::optional<std::uint64_t> parse_bytes(std::string_view text) {
  constexpr std::string_view kUnits = "KMG";
  const std::size_t unit = text.empty() ? std::string_view::npos : kUnits.find(text.back());
  if (unit == std::string_view::npos) return parse_integer(text);
  const auto value = parse_integer(text.substr(0, text.size() - 1));
  const unsigned shift = 10 * (static_cast<unsigned>(unit) + 1);
  if (!value || *value > ~std::uint64_t{0} >> shift) return std::nullopt;
  return *value << shift;
}

/// "%2C" and the like; nothing where two hexadecimal digits do not follow.
std::optional<std::string> decode(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      plain += text[i];
      continue;
    }
    unsigned char c = 0;
    const auto [end, error] =
        std::from_chars(text.data() + i + 1, text.data() + std::min(i + 3, text.size()), c, 16);
    if (error != std::errc{} || end != text.data() + i + 3) return std::nullopt;
    plain += static_cast<char>(c);
    i += 2;
  }
  return plain;
}

/// The options of a device's text, whose values may hold %XX for characters.
class Options : public OptionText {
 public:
  Options(std::string_view device, std::string_view text)
      : OptionText(fmt::format("device {}", device),
                   text.empty() ? std::vector<std::string_view>{} : split(text, '&')) {}

  std::optional<std::string> text(const char* name) override {
    const auto given = OptionText::text(name);
    if (!given) return std::nullopt;
    auto value = decode(*given);
    if (!value) fail(fmt::format("{}={}: two hexadecimal digits must follow %", name, *given));
    return value;
  }
  void text(const char* name, std::string& value) {
    if (auto given = text(name)) value = std::move(*given);
  }
  void file(const char* name, std::filesystem::path& value) {
    if (auto given = text(name)) value = std::move(*given);
  }
  void seconds(const char* name, DeviceAddress::Seconds& value, double least) {
    if (const auto given = number(name, least, 1e6, "seconds")) value = DeviceAddress::Seconds(*given);
  }
  std::optional<std::uint64_t> bytes(const char* name, std::uint64_t most) {
    const auto given = text(name);
    if (!given) return std::nullopt;
    const auto value = parse_bytes(*given);
    if (!value || *value > most) {
      fail(fmt::format("{}={} is no whole number from 0 to {}", name, *given, most));
    }
    return value;
  }
};

void parse_host(DeviceAddress& address, std::string_view text, const Options& options) {
  std::string_view port;
  if (text.starts_with('[')) {  // IPv6
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) options.fail("the host's closing ] is missing");
    address.host = text.substr(1, end - 1);
    port = text.substr(end + 1);
  } else {
    const std::size_t end = std::min(text.find(':'), text.size());
    address.host = text.substr(0, end);
    port = text.substr(end);
  }
  const bool sound = std::all_of(address.host.begin(), address.host.end(), [](char c) {
    return c > ' ' && c <= '~' && c != '/' && c != '[' && c != ']' && c != '@';
  });
  if (address.host.empty() || !sound) options.fail(fmt::format("'{}' is no HOST[:PORT]", text));
  if (port.empty()) return;
  const auto number = parse_integer(port.substr(1));
  if (port[0] != ':' || !number || *number < 1 || *number > 65535) {
    options.fail(fmt::format("'{}' is no port from 1 to 65535 (IPv6 addresses stand in brackets)", port));
  }
  address.port = static_cast<std::uint16_t>(*number);
}

void parse_clock(BareBoard& board, Options& options) {
  options.text("name", board.name);
  if (const auto given = options.number("clock", 1, 1e11, "Hz")) board.clock_hz = *given;
}

/// registers=, memory= and size= together, or what csr= says of them.
void parse_board(DeviceAddress& address, Options& options) {
  const std::uint64_t end =
      address.address_size == AddressSize::bits32 ? std::uint64_t{1} << 32 : ~std::uint64_t{0};
  std::optional<std::uint64_t> registers, memory, size;
  BareBoard board;
  if (const auto file = options.text("csr")) {
    const CsrMap map = read_csr_map(*file);
    registers = map.registers;
    memory = map.memory;
    size = map.memory_size;
    board.clock_hz = map.clock_hz.value_or(board.clock_hz);
  }
  const auto given = [&](const char* name, std::optional<std::uint64_t>& value, std::uint64_t most) {
    if (const auto option = options.bytes(name, most)) value = option;
  };
  given("registers", registers, end - 1);
  given("memory", memory, end - 1);
  given("size", size, kLargestServedMemory);
  const bool described =
      registers || memory || size || options.text("clock") || options.text("name") || options.text("base");
  parse_clock(board, options);
  const auto base = options.bytes("base", 0xffff'ffff);
  if (!described) return;
  if (!registers || !memory || !size) {
    options.fail(
        fmt::format("{} is missing: a board without a Bitloop server is described by registers=, "
                    "memory= and size=, or by csr=FILE",
                    !registers ? "registers="
                    : !memory  ? "memory="
                               : "size="));
  }
  board.registers = *registers;
  board.memory = *memory;
  board.memory_size = *size;
  board.memory_base = base.value_or(*memory);
  if (board.registers % 4 != 0)
    options.fail(fmt::format("registers={:#x} is no multiple of 4", board.registers));
  if (board.memory % kPage != 0)
    options.fail(fmt::format("memory={:#x} is no multiple of 4096", board.memory));
  if (board.memory_size < kPage || board.memory_size % 4 != 0) {
    options.fail(fmt::format("size={} is no multiple of 4 from 4096 on", board.memory_size));
  }
  if (board.registers > end - kPage || board.memory > end - board.memory_size) {
    options.fail(
        "registers and memory do not fit into 32-bit addresses; give address=64 if the board has them");
  }
  if (board.memory_base + board.memory_size > std::uint64_t{1} << 32) {
    options.fail("the accelerator's own addresses have 32 bits: give base=, where it sees the memory");
  }
  if (board.memory_base % kPage != 0)
    options.fail(fmt::format("base={:#x} is no multiple of 4096", board.memory_base));
  address.bare = board;
}

void parse_network_options(DeviceAddress& address, Options& options) {
  if (const auto insecure = options.integer("insecure", 0, 1)) address.insecure = *insecure == 1;
  options.seconds("connect", address.connect_timeout, 0.01);
  options.seconds("timeout", address.timeout, 0.1);  // an answer may be held back for 50 ms
  if (const auto bits = options.integer("address", 32, 64)) {
    if (*bits != 32 && *bits != 64) options.fail("address= is 32 or 64");
    if (*bits == 64) address.address_size = AddressSize::bits64;
  }
  if (const auto words = options.integer("burst", 1, kLargestRecord)) {
    address.burst = static_cast<int>(*words);
  }
  if (address.scheme == Scheme::udp) {
    options.seconds("lifetime", address.lifetime, 0);
    if (const auto window = options.integer("window", 1, 256)) address.window = static_cast<int>(*window);
  } else {
    options.seconds("wait", address.wait, 0);
  }
  if (address.scheme == Scheme::tcp_tls) {
    options.file("ca", address.tls.authority);
    options.file("cert", address.tls.certificate);
    options.file("key", address.tls.key);
    if (address.tls.authority.empty() || address.tls.certificate.empty() || address.tls.key.empty()) {
      options.fail("tcp+tls needs ca=FILE, cert=FILE and key=FILE (PEM)");
    }
  }
  parse_board(address, options);
}

void parse_common_options(DeviceAddress& address, Options& options) {
  options.seconds("job", address.job_deadline, 0.01);
  auto fingerprint = options.text("fingerprint");
  if (!fingerprint) return;
  for (char& c : *fingerprint) c = c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
  if (fingerprint->size() > 32 || fingerprint->find_first_not_of("0123456789abcdef") != std::string::npos) {
    options.fail(fmt::format("fingerprint={} is not up to 32 hexadecimal digits", *fingerprint));
  }
  address.fingerprint = std::move(*fingerprint);
}

}  // namespace

bool DeviceAddress::loopback() const {
  if (host == "localhost" || host == "::1") return true;
  // 127.0.0.0/8, and no name that only begins like it.
  return host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string::npos;
}

DeviceAddress parse_device(std::string_view text, bool insecure) {
  const std::size_t question = std::min(text.find('?'), text.size());
  const std::string_view where = text.substr(0, question);
  Options options(where, text.substr(std::min(question + 1, text.size())));
  DeviceAddress address;
  address.text = text;
  constexpr std::pair<std::string_view, Scheme> kSchemes[] = {{"tcp://", Scheme::tcp},
                                                              {"tcp+tls://", Scheme::tcp_tls},
                                                              {"udp://", Scheme::udp},
                                                              {"uio:", Scheme::uio}};
  const auto* scheme = std::find_if(std::begin(kSchemes), std::end(kSchemes),
                                    [&](const auto& entry) { return where.starts_with(entry.first); });
  if (where == "sim") {
    options.refuse_rest();
    return address;
  }
  if (scheme == std::end(kSchemes))
    throw InputError(fmt::format("device '{}' is not known; devices are {}", text, kForms));
  address.scheme = scheme->second;
  const std::string_view rest = where.substr(scheme->first.size());
  parse_common_options(address, options);
  if (address.scheme == Scheme::uio) {
    address.host = rest;
    if (rest.empty() || rest.find('/') != std::string_view::npos)
      options.fail("uio:NAME names a device such as uio0");
    options.text("buffer", address.buffer);
    parse_clock(address.bare.emplace(), options);
    options.refuse_rest();
    return address;
  }
  parse_host(address, rest, options);
  parse_network_options(address, options);
  options.refuse_rest();
  address.insecure = address.insecure || insecure;
  if (address.scheme != Scheme::tcp_tls && !address.loopback() && !address.insecure) {
    options.fail(
        "the connection leaves this machine and is not encrypted; use tcp+tls:// with certificates, or "
        "say with --insecure (or insecure=1) that this network is trusted");
  }
  return address;
}

std::vector<std::string> split_devices(std::string_view text) {
  std::vector<std::string> devices;
  for (const std::string_view device : split(text, ',')) {
    if (device.empty()) {
      throw InputError(
          fmt::format("devices '{}': a name between commas is missing (a comma inside an option is "
                      "written %2C)",
                      text));
    }
    devices.emplace_back(device);
  }
  return devices;
}

}  // namespace bitloop::host
