#include "host/etherbone/remote_device.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "host/base/error.h"
#include "host/device/board_registers.h"
#include "host/device/registers.h"
#include "host/etherbone/printable.h"
#include "host/etherbone/service.h"

namespace bitloop::host::etherbone {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = DeviceAddress::Seconds;

/// Words to bytes and back, as they stand in memory: little-endian.
void store_words(std::span<std::byte> to, std::span<const std::uint32_t> words) {
  for (std::size_t i = 0; i < to.size(); ++i) to[i] = static_cast<std::byte>(words[i / 4] >> 8 * (i % 4));
}

void load_words(std::span<std::uint32_t> words, std::span<const std::byte> from) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    words[i] = 0;
    for (std::size_t b = 4; b-- > 0;)
      words[i] = words[i] << 8 | std::to_integer<std::uint32_t>(from[4 * i + b]);
  }
}

template <std::size_t words>
std::array<std::uint32_t, words> read_words(Bus& bus, std::uint64_t address) {
  std::array<std::byte, 4 * words> bytes{};
  bus.read(address, bytes);
  std::array<std::uint32_t, words> values;
  load_words(values, bytes);
  return values;
}

template <std::size_t bytes>
std::string read_text(Bus& bus, std::uint64_t address) {
  std::array<std::byte, bytes> text{};
  bus.read(address, text);
  return printable_text(text);
}

/// Where the bus has the device's parts, and what its registers do not tell.
struct Layout {
  std::uint64_t registers = 0;  ///< bus address
  std::uint64_t memory = 0;     ///< bus address
  Address memory_size = 0;
  Address memory_base = 0;
};

/// A device behind an Etherbone bus: with a service page, or a bare board whose address tells what a page
/// would.
class RemoteDevice final : public Device {
 public:
  RemoteDevice(std::unique_ptr<Bus> bus, const DeviceAddress& address)
      : bus_(std::move(bus)), address_(address), page_(!address.bare) {
    info_ = identify();
    memory_size_ = layout_.memory_size;
    check_fingerprint();
  }

  const HardwareInfo& info() const override { return info_; }
  Address memory_size() const override { return memory_size_; }
  Address memory_base() const override { return layout_.memory_base; }

  void write_memory(Address address, std::span<const std::byte> bytes) override {
    check_range(address, bytes.size());
    if (bytes.empty()) return;
    const Edges edges(address, bytes.size());
    if (edges.whole()) return write_words(layout_.memory + address, bytes);
    std::vector<std::byte> words(edges.end - edges.begin);
    const auto read_edge = [&](std::size_t at) {
      bus_->read(layout_.memory + edges.begin + at, std::span(words).subspan(at, 4));
    };
    read_edge(0);
    if (words.size() > 4) read_edge(words.size() - 4);
    std::copy(bytes.begin(), bytes.end(), words.begin() + static_cast<std::ptrdiff_t>(address - edges.begin));
    write_words(layout_.memory + edges.begin, words);
  }

  void read_memory(Address address, std::span<std::byte> bytes) override {
    check_range(address, bytes.size());
    if (bytes.empty()) return;
    const Edges edges(address, bytes.size());
    if (edges.whole()) return bus_->read(layout_.memory + address, bytes);
    std::vector<std::byte> words(edges.end - edges.begin);
    bus_->read(layout_.memory + edges.begin, words);
    std::copy_n(words.begin() + static_cast<std::ptrdiff_t>(address - edges.begin), bytes.size(),
                bytes.begin());
  }

  void write_register(std::uint32_t offset, std::uint32_t value) override {
    write_registers(offset, {&value, 1});
  }
  std::uint32_t read_register(std::uint32_t offset) override {
    std::uint32_t value = 0;
    read_registers(offset, {&value, 1});
    return value;
  }

  void write_registers(std::uint32_t offset, std::span<const std::uint32_t> values) override {
    check_registers(offset, values.size());
    if (offset <= registers::kStart && registers::kStart < offset + 4 * values.size()) limit_ = 0;
    std::vector<std::byte> bytes(4 * values.size());
    store_words(bytes, values);
    bus_->write_together(layout_.registers + offset, bytes);
  }

  void read_registers(std::uint32_t offset, std::span<std::uint32_t> values) override {
    check_registers(offset, values.size());
    std::vector<std::byte> bytes(4 * values.size());
    bus_->read(layout_.registers + offset, bytes);
    load_words(values, bytes);
  }

  bool wait_done(std::uint32_t sequence, Cycles limit) override {
    const auto deadline = after(address_.job_deadline);
    if (!(page_ ? wait_at_server(limit, deadline) : poll(sequence, limit, deadline))) return false;
    // A late copy of START makes the job run once more, with the same result; it must have ended, too.
    if (bus_->settle()) await_status(deadline);
    return true;
  }

  void confirm() override {
    bus_->confirm();
    if (page_ && read_session() != session_) {
      throw DeviceLost(fmt::format(
          "{}: the server was restarted, or gave the device to another client meanwhile", bus_->name()));
    }
  }

  /// Whoever answers must be who it was: a board may have been given another bitstream, a server another
  /// device.
  void reset() override {
    if (!lost_) {
      try {
        forget_refusals();
        check_identity();
        return soft_reset();
      } catch (const DeviceLost&) {
        lost_ = true;
      }
    }
    bus_->reconnect();
    check_identity();
    soft_reset();
    lost_ = false;
  }

 private:
  /// The whole words around a range of bytes.
  struct Edges {
    Edges(Address address, std::size_t bytes)
        : begin(address & ~Address{3}), end((address + bytes + 3) & ~Address{3}), size(bytes) {}
    [[nodiscard]] bool whole() const { return end - begin == size; }
    Address begin;
    Address end;
    std::size_t size;
  };

  static Clock::time_point after(Seconds seconds) {
    return Clock::now() + std::chrono::duration_cast<Clock::duration>(seconds);
  }

  // --- Who it is

  /// Finds where everything is, too. What makes no sense may have been altered on the way.
  HardwareInfo identify() {
    try {
      return page_ ? identify_served() : identify_bare();
    } catch (const DeviceLost&) {
      throw;
    } catch (const DeviceError&) {
      bus_->confirm();
      throw;
    }
  }

  HardwareInfo identify_bare() {
    const BareBoard& board = *address_.bare;
    layout_ = {board.registers, board.memory, board.memory_size, board.memory_base};
    const HardwareInfo info = read_board_info(*this, board.name, board.clock_hz);
    bus_->confirm();
    return info;
  }

  HardwareInfo identify_served() {
    namespace page = service;
    const auto magic = read_words<1>(*bus_, page::kServicePage + page::kMagic)[0];
    if (magic != page::kMagicValue) {
      throw DeviceError(
          fmt::format("{} has no service page of a Bitloop server (it reads {:#010x}, not {:#010x}); for "
                      "LiteEth or litex_server name registers=, memory= and size=, or csr=FILE",
                      bus_->name(), magic, page::kMagicValue));
    }
    constexpr std::size_t kWords = page::kPatience / 4 + 1;
    const auto words = read_words<kWords>(*bus_, page::kServicePage);
    if (const auto version = words[page::kVersion / 4]; version != page::kVersionValue) {
      throw DeviceError(
          fmt::format("{} is a Bitloop server with version {} of the service page, and this program "
                      "knows version {}; build both from the same sources",
                      bus_->name(), version, page::kVersionValue));
    }
    const auto pair = [&](std::uint32_t offset) {
      return words[offset / 4] | static_cast<std::uint64_t>(words[offset / 4 + 1]) << 32;
    };
    const std::uint32_t record_words = words[page::kRecordWords / 4];
    const std::uint32_t traits = words[page::kTraits / 4];
    const std::uint32_t clock_hz = words[page::kClock / 4];
    session_ = read_session();
    layout_ = {page::kRegisters, page::kMemory, pair(page::kMemorySize), pair(page::kMemoryBase)};
    bus_->serve(record_words == 0 ? 1 : record_words);
    HardwareInfo info = read_board_info(*this, bus_->name(), clock_hz);
    info.name = read_text<page::kHardwareNameBytes>(*bus_, page::kServicePage + page::kHardwareName);
    info.memory = read_text<page::kMemoryNameBytes>(*bus_, page::kServicePage + page::kMemoryName);
    info.fingerprint = fmt::format("{}{:016x}", rtl_fingerprint(*this), pair(page::kMemoryHash));
    info.duplex = (traits & page::kDuplex) != 0;
    info.repeatable = (traits & page::kRepeatable) != 0;
    info.computes = (traits & page::kComputes) != 0;
    if (const std::uint32_t patience = words[page::kPatience / 4]; patience != 0) info.patience = patience;
    bus_->confirm();  // from here on it is what the device says
    check_sense(info, record_words);
    return info;
  }

  std::uint32_t read_session() { return read_words<1>(*bus_, service::kServicePage + service::kSession)[0]; }

  void check_sense(const HardwareInfo& info, std::uint32_t record_words) const {
    const auto check = [&](bool sound, const char* what, auto value) {
      if (sound) return;
      throw DeviceError(
          fmt::format("{} says that its {} is {}, which makes no sense; is it a Bitloop server?",
                      bus_->name(), what, value));
    };
    check(record_words >= 1 && record_words <= kLargestRecord, "largest record", record_words);
    check(layout_.memory_size >= service::kPageSize && layout_.memory_size <= kLargestServedMemory,
          "memory's size", layout_.memory_size);
    check(layout_.memory_base % service::kPageSize == 0 && layout_.memory_base <= 0xffff'ffff,
          "memory's address", layout_.memory_base);
    check(info.clock_hz > 0, "clock", info.clock_hz);
  }

  void check_identity() {
    const HardwareInfo info = identify();
    if (info.fingerprint == info_.fingerprint && layout_.memory_size == memory_size_) return;
    throw DeviceError(
        fmt::format("{} is not the device that it was: fingerprint {} and {} bytes of memory, before {} "
                    "and {}",
                    bus_->name(), info.fingerprint, layout_.memory_size, info_.fingerprint, memory_size_));
  }

  void check_fingerprint() const {
    if (!address_.fingerprint || info_.fingerprint.starts_with(*address_.fingerprint)) return;
    throw DeviceError(fmt::format("{} has the fingerprint {}, and fingerprint={} is asked for", bus_->name(),
                                  info_.fingerprint, *address_.fingerprint));
  }

  /// Between litex_server and its board there are datagrams that nobody answers: what went there is read
  /// back.
  void write_words(std::uint64_t address, std::span<const std::byte> bytes) {
    bus_->write(address, bytes);
    if (page_ || address_.scheme == Scheme::udp) return;
    std::vector<std::byte> back(bytes.size());
    bus_->read(address, back);
    if (!std::equal(back.begin(), back.end(), bytes.begin())) {
      throw DeviceLost(fmt::format("{}: what was written to memory did not arrive", bus_->name()));
    }
  }

  // --- What is asked of us

  void check_range(Address address, std::size_t bytes) const {
    if (bytes <= memory_size_ && address <= memory_size_ - bytes) return;
    throw DeviceError(fmt::format("{}: {} bytes at {:#x} are outside its memory of {} bytes", bus_->name(),
                                  bytes, address, memory_size_));
  }

  void check_registers(std::uint32_t offset, std::size_t count) const {
    if (offset % 4 == 0 && offset < service::kPageSize && count <= (service::kPageSize - offset) / 4) return;
    throw DeviceError(
        fmt::format("{}: {} registers at {:#x} are outside its registers", bus_->name(), count, offset));
  }

  // --- Jobs

  bool wait_at_server(Cycles limit, Clock::time_point deadline) {
    namespace page = service;
    limit_ = limit < ~Cycles{0} - limit_ ? limit_ + limit : ~Cycles{0};  // the server counts from START on
    std::array<std::byte, 8> limit_bytes{};
    const std::array words{static_cast<std::uint32_t>(limit_), static_cast<std::uint32_t>(limit_ >> 32)};
    store_words(limit_bytes, words);
    for (;;) {
      std::array<std::byte, 4> answer{};
      bus_->exchange(page::kServicePage + page::kLimit, limit_bytes, page::kServicePage + page::kWait,
                     answer);
      std::array<std::uint32_t, 1> state{};
      load_words(state, answer);
      if (state[0] == page::kEnded) return true;
      if (state[0] == page::kAtLimit) return false;
      if (state[0] != page::kRunning) {
        throw DeviceLost(fmt::format("{}: the server's wait register reads {}", bus_->name(), state[0]));
      }
      check_deadline(deadline);
    }
  }

  /// Nobody counts cycles here while the job runs: the limit becomes a time, with a margin for the way.
  bool poll(std::uint32_t sequence, Cycles limit, Clock::time_point deadline) {
    const double seconds = 1 + 1.1 * static_cast<double>(limit) / info_.clock_hz;
    const auto end = after(Seconds(std::min(seconds, 1e9)));
    auto pause = std::chrono::microseconds(20);
    while (read_register(registers::kLastDone) != sequence) {
      if (Clock::now() >= end) return false;
      check_deadline(deadline);
      std::this_thread::sleep_for(pause);
      pause = std::min(2 * pause, std::chrono::microseconds(1000));
    }
    return true;
  }

  void await_status(Clock::time_point deadline) {
    while (read_register(registers::kStatus) != 0) {
      check_deadline(deadline);
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
  }

  void check_deadline(Clock::time_point deadline) const {
    if (Clock::now() < deadline) return;
    throw DeviceTimeout(fmt::format("{}: the job did not end within {:g} s (job=SECONDS)", bus_->name(),
                                    address_.job_deadline.count()));
  }

  // --- Reset

  /// What was refused before a reset is of no more interest.
  void forget_refusals() {
    try {
      bus_->confirm();
    } catch (const DeviceLost&) {
      throw;
    } catch (const DeviceError&) {
    }
  }

  void soft_reset() {
    const auto write = [&](std::uint64_t address, std::uint32_t value) {
      std::array<std::byte, 4> bytes{};
      store_words(bytes, std::array{value});
      bus_->write_together(address, bytes);
    };
    if (page_) {
      write(service::kServicePage + service::kReset, 1);
    } else {
      write(layout_.registers + registers::kControl, 1);
    }
    const auto end = after(address_.timeout);
    while (read_register(registers::kStatus) != 0) {
      if (Clock::now() < end) continue;
      throw DeviceError(
          fmt::format("{}: the reset did not end within {:g} s (timeout=SECONDS); the hardware "
                      "hangs: restart the board",
                      bus_->name(), address_.timeout.count()));
    }
  }

  std::unique_ptr<Bus> bus_;
  DeviceAddress address_;
  bool page_;
  std::uint32_t session_ = 0;  ///< that the server told
  Cycles limit_ = 0;           ///< of the job that runs, since START
  bool lost_ = false;          ///< the connection is to be made anew
  Layout layout_;              ///< of this connection
  Address memory_size_ = 0;    ///< as it was first
  HardwareInfo info_;          ///< as it was first
};

}  // namespace

std::unique_ptr<Device> make_remote_device(std::unique_ptr<Bus> bus, const DeviceAddress& address) {
  return std::make_unique<RemoteDevice>(std::move(bus), address);
}

std::unique_ptr<Device> open_remote_device(const DeviceAddress& address) {
  return make_remote_device(address.scheme == Scheme::udp ? connect_udp(address) : connect_tcp(address),
                            address);
}

}  // namespace bitloop::host::etherbone
