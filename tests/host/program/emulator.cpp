#include "tests/host/program/emulator.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "host/base/error.h"
#include "host/device/registers.h"
#include "host/program/job.h"
#include "tests/host/program/emulator_core.h"

namespace bitloop::host::test {
namespace {

constexpr std::uint32_t kIllegalDescriptor = 1;
constexpr std::uint32_t kSoftReset = 1;

/// An instruction whose fields break a rule, and where it stands.
struct IllegalDescriptor {
  Address offset;
  std::string reason;
};

/// A segment's instructions, by engine, and how far each engine is.
class Queues {
 public:
  void append(const Instruction& instruction, Address offset) {
    const auto engine = static_cast<std::size_t>(engine_of(instruction.operation));
    lists_[engine].push_back(all_.size());
    all_.push_back({instruction, offset});
  }

  struct Entry {
    Instruction instruction;
    Address offset;
  };

  /// The next instruction to run, or null where all are done. Throws where every engine waits.
  const Entry* next(Interleaving interleaving) {
    if (finished() == all_.size()) return nullptr;
    for (const Engine engine : order(interleaving)) {
      const auto e = static_cast<std::size_t>(engine);
      if (done_[e] == lists_[e].size()) continue;
      const Entry& entry = all_[lists_[e][done_[e]]];
      if (!ready(entry.instruction, e)) continue;
      ++done_[e];
      return &entry;
    }
    throw DeviceError("every engine waits for another: the job would never end");
  }

 private:
  [[nodiscard]] std::size_t finished() const { return done_[0] + done_[1] + done_[2]; }

  [[nodiscard]] bool ready(const Instruction& instruction, std::size_t own) const {
    for (std::size_t e = 0; e < kEngines; ++e) {
      if (e == own) continue;
      const auto lead =
          static_cast<std::int16_t>(static_cast<std::uint16_t>(done_[e] - instruction.waits[e]));
      if (lead < 0) return false;
    }
    return true;
  }

  [[nodiscard]] std::array<Engine, kEngines> order(Interleaving interleaving) {
    switch (interleaving) {
      case Interleaving::loads_first:
        return {Engine::load, Engine::compute, Engine::store};
      case Interleaving::compute_first:
        return {Engine::compute, Engine::store, Engine::load};
      case Interleaving::stores_late:
        turn_ = !turn_;
        return turn_ ? std::array{Engine::load, Engine::compute, Engine::store}
                     : std::array{Engine::compute, Engine::load, Engine::store};
      default:
        return program_order();
    }
  }

  /// The engine of the earliest instruction that is not done first.
  [[nodiscard]] std::array<Engine, kEngines> program_order() const {
    std::array<Engine, kEngines> engines{Engine::load, Engine::compute, Engine::store};
    const auto next = [&](Engine engine) {
      const auto e = static_cast<std::size_t>(engine);
      return done_[e] == lists_[e].size() ? all_.size() : lists_[e][done_[e]];
    };
    std::sort(engines.begin(), engines.end(), [&](Engine a, Engine b) { return next(a) < next(b); });
    return engines;
  }

  std::vector<Entry> all_;
  std::array<std::vector<std::size_t>, kEngines> lists_;
  std::array<std::size_t, kEngines> done_{};
  bool turn_ = false;
};

}  // namespace

Emulator::Emulator(HardwareInfo info, EmulatorOptions options)
    : info_(std::move(info)), options_(options), memory_(options.memory_bytes) {
  const auto read = [this](Address offset) {
    std::array<std::byte, 8> bytes{};
    read_memory(registers_.base + offset, bytes);
    std::uint64_t word = 0;
    for (int i = 7; i >= 0; --i) word = word << 8 | std::to_integer<std::uint64_t>(bytes[i]);
    return word;
  };
  const auto write = [this](Address offset, std::uint64_t word) {
    std::array<std::byte, 8> bytes{};
    for (int i = 0; i < 8; ++i) bytes[i] = static_cast<std::byte>(word >> (8 * i));
    write_memory(registers_.base + offset, bytes);
  };
  core_ = std::make_unique<EmulatorCore>(info_, EmulatorCore::Bus{read, write});
}

Emulator::~Emulator() = default;

void Emulator::write_memory(Address address, std::span<const std::byte> bytes) {
  if (address > memory_.size() || bytes.size() > memory_.size() - address) {
    throw DeviceError(fmt::format("address {:#x} is outside the memory", address));
  }
  std::copy(bytes.begin(), bytes.end(), memory_.begin() + static_cast<std::ptrdiff_t>(address));
}

void Emulator::read_memory(Address address, std::span<std::byte> bytes) {
  if (address > memory_.size() || bytes.size() > memory_.size() - address) {
    throw DeviceError(fmt::format("address {:#x} is outside the memory", address));
  }
  std::copy_n(memory_.begin() + static_cast<std::ptrdiff_t>(address), bytes.size(), bytes.begin());
}

void Emulator::write_register(std::uint32_t offset, std::uint32_t value) {
  switch (offset) {
    case registers::kBase:
      registers_.base = value & ~0xfffu;
      break;
    case registers::kJob:
      registers_.job = value;
      break;
    case registers::kStart:
      run_job();
      registers_.last_done = value;
      break;
    case registers::kControl:
      if ((value & kSoftReset) != 0) reset();
      break;
    default:
      break;
  }
}

std::uint32_t Emulator::read_register(std::uint32_t offset) {
  switch (offset) {
    case registers::kId:
      return registers::kIdValue;
    case registers::kVersion:
      return registers::kRegmapVersion;
    case registers::kRegmapHash:
      return registers::kRegmapHashValue;
    case registers::kDescriptorVersion:
      return registers::kDescriptorVersionValue;
    case registers::kConfigArray:
      return static_cast<std::uint32_t>(info_.pixels) | static_cast<std::uint32_t>(info_.filters) << 16;
    case registers::kConfigActivation:
      return static_cast<std::uint32_t>(info_.activation_rows);
    case registers::kConfigWeight:
      return static_cast<std::uint32_t>(info_.weight_rows);
    case registers::kConfigParameter:
      return static_cast<std::uint32_t>(info_.parameter_slots);
    case registers::kConfigChannel:
      return static_cast<std::uint32_t>(info_.channel_lanes);
    case registers::kConfigStaging:
      return static_cast<std::uint32_t>(info_.staging_words);
    case registers::kFingerprint0:
      return fingerprint_word(8);
    case registers::kFingerprint1:
      return fingerprint_word(0);
    case registers::kError:
      return registers_.error;
    case registers::kErrorInfo:
      return registers_.error_info;
    case registers::kBase:
      return registers_.base;
    case registers::kJob:
      return registers_.job;
    case registers::kLastDone:
      return registers_.last_done;
    default:
      return 0;
  }
}

/// From the 8 digits at `digit`; 0 where the emulated hardware has no fingerprint.
std::uint32_t Emulator::fingerprint_word(std::size_t digit) const {
  if (info_.fingerprint.size() != kFingerprintDigits) return 0;
  return static_cast<std::uint32_t>(std::stoul(info_.fingerprint.substr(digit, 8), nullptr, 16));
}

bool Emulator::wait_done(std::uint32_t sequence, Cycles) { return registers_.last_done == sequence; }

void Emulator::reset() {
  const std::uint32_t base = registers_.base;
  registers_ = {};
  registers_.base = base;
}

Descriptor Emulator::read_descriptor(Address offset) {
  DescriptorBytes bytes{};
  read_memory(registers_.base + offset, bytes);
  return descriptor_from(bytes);
}

void Emulator::run_job() {
  last_error_.clear();
  core_->start_job();
  try {
    for (Address offset = registers_.job;;) {
      SegmentHeader header;
      try {
        header = decode_segment(read_descriptor(offset));
      } catch (const Error& error) {
        throw IllegalDescriptor{offset, error.what()};
      }
      run_segment(offset, header);
      const std::vector<std::byte> record(kRecordBytes);
      write_memory(registers_.base + header.record, record);
      if (header.last) return;
      offset = header.next;
    }
  } catch (const IllegalDescriptor& illegal) {
    registers_.error |= kIllegalDescriptor;
    registers_.error_info = static_cast<std::uint32_t>(illegal.offset);
    last_error_ = illegal.reason;
  }
}

void Emulator::run_segment(Address offset, const SegmentHeader& header) {
  core_->start_segment();
  Queues queues;
  Address at = offset;
  try {
    for (std::uint32_t i = 0; i < header.instructions; ++i) {
      at += kDescriptorBytes;
      queues.append(decode_instruction(read_descriptor(at)), at);
    }
    while (const auto* entry = queues.next(options_.interleaving)) {
      at = entry->offset;
      core_->execute(entry->instruction.operation);
    }
  } catch (const Error& error) {
    throw IllegalDescriptor{at, error.what()};
  }
}

}  // namespace bitloop::host::test
