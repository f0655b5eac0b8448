#include "host/etherbone/served_device.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <exception>
#include <random>

#include "host/device/registers.h"

namespace bitloop::host::etherbone {
namespace {

constexpr std::size_t kGathered = 64 * 1024;  // bytes of writes that go to the device in one call

/// Between two looks at the sockets: 10 ms of the default accelerator in full detail, 0.2 ms of a board at
/// 100 MHz.
constexpr Cycles kSlice = 16'384;

/// For other clients and `stop`, while one sends packets that take long.
constexpr std::chrono::milliseconds kTurn{10};

std::uint32_t load_wire(const std::byte* from) {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 8 | std::to_integer<std::uint32_t>(from[i]);
  return value;
}

void store_wire(std::byte* to, std::uint32_t value) {
  for (int i = 0; i < 4; ++i) to[i] = static_cast<std::byte>(value >> 8 * (3 - i));
}

/// The word at `index` of a zero-padded text.
std::uint32_t text_word(std::string_view text, std::size_t index) {
  std::uint32_t word = 0;
  for (std::size_t i = 0; i < 4 && 4 * index + i < text.size(); ++i) {
    word |= static_cast<std::uint32_t>(static_cast<unsigned char>(text[4 * index + i])) << 8 * i;
  }
  return word;
}

/// The second half of a fingerprint; 0 where there is none.
std::uint64_t memory_hash(const std::string& fingerprint) {
  std::uint64_t hash = 0;
  if (fingerprint.size() == 32) {
    std::from_chars(fingerprint.data() + 16, fingerprint.data() + 32, hash, 16);
  }
  return hash;
}

}  // namespace

ServedDevice::ServedDevice(Device& device, Options options)
    : device_(device), options_(options), memory_size_(std::min(device.memory_size(), kLargestServedMemory)) {
  gathered_.reserve(kGathered);
  fill_page();
}

void ServedDevice::fill_page() {
  const HardwareInfo& info = device_.info();
  const auto word = [&](std::uint32_t offset, std::uint32_t value) { page_[offset / 4] = value; };
  const auto pair = [&](std::uint32_t offset, std::uint64_t value) {
    word(offset, static_cast<std::uint32_t>(value));
    word(offset + 4, static_cast<std::uint32_t>(value >> 32));
  };
  const auto text = [&](std::uint32_t offset, std::string_view value, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes / 4; ++i) page_[offset / 4 + i] = text_word(value.substr(0, bytes), i);
  };
  word(service::kMagic, service::kMagicValue);
  word(service::kVersion, service::kVersionValue);
  pair(service::kMemoryBase, device_.memory_base());
  pair(service::kMemorySize, memory_size_);
  pair(service::kMemoryHash, memory_hash(info.fingerprint));
  word(service::kClock, static_cast<std::uint32_t>(std::clamp(info.clock_hz, 0.0, 4e9)));
  word(service::kTraits, (info.duplex ? service::kDuplex : 0) | (info.repeatable ? service::kRepeatable : 0) |
                             (info.computes ? service::kComputes : 0));
  word(service::kRecordWords, kLargestRecord);
  word(service::kPatience, static_cast<std::uint32_t>(std::min<Cycles>(info.patience, 0xffff'ffff)));
  word(service::kSession, std::random_device{}());
  text(service::kHardwareName, info.name, service::kHardwareNameBytes);
  text(service::kMemoryName, info.memory, service::kMemoryNameBytes);
}

// --- Packets ---------------------------------------------------------------------------------------------

ServedDevice::Taken ServedDevice::take(std::span<const std::byte> bytes, std::vector<std::byte>& replies) {
  const Clock::time_point turn_end = Clock::now() + kTurn;
  Taken taken;
  while (!taken.paused && taken.bytes < bytes.size()) {
    const auto rest = bytes.subspan(taken.bytes);
    if (padding_ > 0 && rest.front() == std::byte{0}) {
      --padding_;
      ++taken.bytes;
      continue;
    }
    padding_ = 0;
    const bool goes_on = packet_size_ && !begins_packet(rest.front());
    const Framed framed = goes_on ? parse_record(rest, *packet_size_) : parse_packet(rest);
    if (framed.state == Framed::State::incomplete) break;
    if (framed.state == Framed::State::foreign) {
      taken.foreign = framed.reason;
      break;
    }
    const Packet& packet = framed.packet;
    const std::size_t replied = replies.size();
    slow_ = waited_ = false;
    const bool is_probe = packet.probe || packet.probe_reply;
    padding_ = is_probe ? kProbePadding : 0;
    packet_size_ = is_probe ? std::nullopt : std::optional(packet.size);
    if (packet.probe) append_probe(replies, packet.size, true);
    if (packet.writes() > 0) write(packet);
    if (packet.reads() > 0) read(packet, append_reply(replies, packet.size, packet.tag, packet.reads()));
    received_.add(bytes.subspan(taken.bytes, framed.bytes));
    sent_.add(std::span(replies).subspan(replied));
    taken.bytes += framed.bytes;
    taken.paused = waited_ || (slow_ && Clock::now() > turn_end);
  }
  flush_writes();
  return taken;
}

ServedDevice::Place ServedDevice::find(std::uint64_t address) const {
  const auto within = [&](Window window, std::uint64_t start, Address bytes) {
    return Place{window, address - start, bytes - (address - start)};
  };
  if (address % 4 != 0) return {};
  if (address < service::kRegisters + service::kPageSize) {
    return within(Window::registers, service::kRegisters, service::kPageSize);
  }
  if (!options_.bare && address >= service::kServicePage &&
      address < service::kServicePage + service::kPageSize) {
    return within(Window::service, service::kServicePage, service::kPageSize);
  }
  if (address >= service::kMemory && address - service::kMemory < memory_size_) {
    return within(Window::memory, service::kMemory, memory_size_);
  }
  return {};
}

void ServedDevice::write(const Packet& packet) {
  const std::span<const std::byte> data = packet.written;
  const Place place = find(packet.write_address);
  if (place.window == Window::none || data.size() > place.room) {
    refuse(fmt::format("{} bytes written at {:#x}: not in one window, or not whole words", data.size(),
                       packet.write_address));
    return;
  }
  if (place.window == Window::memory) {
    write_memory(place.offset, data);
    return;
  }
  slow_ = true;
  flush_writes();
  const auto offset = static_cast<std::uint32_t>(place.offset);
  if (place.window == Window::registers) {
    write_registers(offset, data);
    return;
  }
  for (std::size_t i = 0; i < data.size(); i += 4) {
    write_service(offset + static_cast<std::uint32_t>(i), load_wire(&data[i]));
  }
}

void ServedDevice::read(const Packet& packet, std::span<std::byte> data) {
  flush_writes();
  for (std::size_t i = 0; i < packet.reads();) {
    const std::uint64_t address = packet.read_address(i);
    const Place place = find(address);
    const std::size_t words = run_length(packet, i, place);
    read_run(place, address, data.subspan(4 * i, 4 * words));
    i += words;
  }
}

/// Words from `first` on that are consecutive and of one window (or of none).
std::size_t ServedDevice::run_length(const Packet& packet, std::size_t first, const Place& place) const {
  const std::size_t most = packet.reads() - first;
  const std::size_t room = place.window == Window::none ? 1 : std::min<std::size_t>(most, place.room / 4);
  if (first == 0 && packet.reads_consecutive()) return room;
  const std::uint64_t address = packet.read_address(first);
  std::size_t words = 1;
  while (words < room && packet.read_address(first + words) == address + 4 * words) ++words;
  return words;
}

void ServedDevice::read_run(const Place& place, std::uint64_t address, std::span<std::byte> data) {
  if (place.window == Window::memory) {
    if (!attempt([&] { device_.read_memory(place.offset, data); })) {
      std::fill(data.begin(), data.end(), std::byte{0});
    }
    copy_words(data, data);
    return;
  }
  slow_ = true;
  const auto offset = static_cast<std::uint32_t>(place.offset);
  if (place.window == Window::registers) {
    read_registers(offset, data);
  } else if (place.window == Window::service) {
    for (std::size_t i = 0; i < data.size(); i += 4) {
      store_wire(&data[i], read_service(offset + static_cast<std::uint32_t>(i)));
    }
  } else {
    std::fill(data.begin(), data.end(), std::byte{0});
    refuse(fmt::format("word read at {:#x}: in no window, or not a whole word", address));
  }
}

void ServedDevice::refuse(std::string_view why) {
  if (refusals_ != ~std::uint32_t{0}) ++refusals_;
  refusal_.fill(0);
  std::copy_n(why.begin(), std::min(why.size(), refusal_.size() - 1), refusal_.begin());
}

/// False, and refused, where the device throws.
template <class Work>
bool ServedDevice::attempt(const Work& work) {
  try {
    work();
    return true;
  } catch (const std::exception& e) {
    refuse(e.what());
    return false;
  }
}

// --- Memory ----------------------------------------------------------------------------------------------

void ServedDevice::write_memory(Address offset, std::span<const std::byte> data) {
  if (gathered_at_ + gathered_.size() != offset || gathered_.size() + data.size() > kGathered) flush_writes();
  if (gathered_.empty()) gathered_at_ = offset;
  const std::size_t at = gathered_.size();
  gathered_.resize(at + data.size());
  copy_words(std::span(gathered_).subspan(at), data);
}

void ServedDevice::flush_writes() {
  if (gathered_.empty()) return;
  attempt([&] { device_.write_memory(gathered_at_, gathered_); });
  gathered_.clear();
}

// --- Registers and jobs ----------------------------------------------------------------------------------

void ServedDevice::write_registers(std::uint32_t offset, std::span<const std::byte> data) {
  std::array<std::uint32_t, kLargestRecord> values{};
  const std::size_t words = data.size() / 4;
  for (std::size_t i = 0; i < words; ++i) values[i] = load_wire(&data[4 * i]);
  const bool starts = offset <= registers::kStart && registers::kStart < offset + data.size();
  const std::uint32_t sequence = starts ? values[(registers::kStart - offset) / 4] : 0;
  const bool based = offset <= registers::kBase && registers::kBase < offset + data.size();
  const Address base = based ? values[(registers::kBase - offset) / 4] : device_.memory_base();
  if (base < device_.memory_base() || base - device_.memory_base() >= memory_size_) {
    return refuse(fmt::format("BASE {:#x} is outside the memory window", base));
  }
  // A copy of the packet that started the job which runs.
  if (starts && started_ && sequence == sequence_ && options_.datagrams) return;
  if (!attempt([&] { device_.write_registers(offset, std::span(values).first(words)); }) || !starts) return;
  started_ = true;
  sequence_ = sequence;
  spent_ = 0;
}

void ServedDevice::read_registers(std::uint32_t offset, std::span<std::byte> data) {
  std::array<std::uint32_t, kLargestRecord> values{};
  const std::span<std::uint32_t> read = std::span(values).first(data.size() / 4);
  if (!attempt([&] { device_.read_registers(offset, read); })) values.fill(0);
  for (std::size_t i = 0; i < read.size(); ++i) store_wire(&data[4 * i], read[i]);
}

/// Whether the job has ended is read from STATUS: its number may be that of an earlier one, and a reset ends
/// it without a number.
void ServedDevice::step() {
  const Cycles slice = std::min(kSlice, limit_ - spent_);
  const bool went_on = attempt([&] {
    device_.wait_done(sequence_, slice);
    started_ = (device_.read_register(registers::kStatus) & 1) != 0;
  });
  if (!went_on) started_ = false;
  spent_ += slice;
}

std::uint32_t ServedDevice::wait_for_end() {
  if (!waited_) wait_end_ = Clock::now() + std::chrono::milliseconds(service::kWaitMilliseconds);
  waited_ = true;
  while (running() && Clock::now() < wait_end_) step();
  // At the limit nobody steps any more, but a board, or what a proxy serves, may have ended by itself.
  if (started_ && spent_ >= limit_) {
    attempt([&] { started_ = (device_.read_register(registers::kStatus) & 1) != 0; });
  }
  if (!started_) return service::kEnded;
  return running() ? service::kRunning : service::kAtLimit;
}

void ServedDevice::reset_device() {
  attempt([&] { device_.reset(); });
  started_ = false;
}

// --- Service page ----------------------------------------------------------------------------------------

void ServedDevice::write_service(std::uint32_t offset, std::uint32_t value) {
  constexpr Cycles kLow = 0xffff'ffff;
  if (offset == service::kLimit) {
    limit_ = (limit_ & ~kLow) | value;
  } else if (offset == service::kLimit + 4) {
    limit_ = (limit_ & kLow) | Cycles{value} << 32;
  } else if (offset == service::kReset && value == 1) {
    reset_device();
  } else if (offset == service::kRelease && value == 1) {
    released_ = true;
  } else {
    refuse(fmt::format("{:#x} written at {:#x} of the service page: nothing takes it", value, offset));
  }
}

std::uint32_t ServedDevice::read_service(std::uint32_t offset) {
  // The half of a pair that `offset` names.
  const auto half = [&](std::uint64_t value, std::uint32_t pair) {
    return static_cast<std::uint32_t>(value >> (offset == pair ? 0 : 32));
  };
  switch (offset) {
    case service::kWait:
      return wait_for_end();
    case service::kLimit:
    case service::kLimit + 4:
      return half(limit_, service::kLimit);
    case service::kReceivedDigest:
    case service::kReceivedDigest + 4:
      return half(received_.value(), service::kReceivedDigest);
    case service::kSentDigest:
    case service::kSentDigest + 4:
      return options_.datagrams ? 0 : half(sent_.value(), service::kSentDigest);
    case service::kRefusals:
      return refusals_;
    default:
      break;
  }
  if (offset >= service::kRefusalText && offset < service::kRefusalText + service::kRefusalTextBytes) {
    return text_word(refusal(), (offset - service::kRefusalText) / 4);
  }
  return page_[offset / 4];
}

}  // namespace bitloop::host::etherbone
