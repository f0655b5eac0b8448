#include "host/board/memory_mapped_device.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

#include "host/base/error.h"
#include "host/board/range_set.h"
#include "host/device/board_registers.h"
#include "host/device/registers.h"

namespace bitloop::host::board {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

/// A wait never lasts longer, whatever its limit in cycles.
constexpr Seconds kLongestWait{3600};
/// How often LAST_DONE is read although no interrupt came: it may have been lost.
constexpr double kRepollSeconds = 0.01;
constexpr Seconds kResetDeadline{1};
/// What is written is synchronized in pages, so that a client that writes here and there costs bounded
/// memory; what is read in larger grains, so that one that reads in small pieces is not slowed by it.
constexpr Address kWriteGrain = 4096;
constexpr Address kReadGrain = 65'536;
constexpr Address kCacheLine = 64;  // bytes; no processor's is longer

/// Orders accesses of memory before and after it for all that looks at memory, the accelerator included. (The
/// barrier of C++ orders them for other processors only.)
void barrier() {
#if defined(__arm__) || defined(__aarch64__)
  asm volatile("dsb sy" ::: "memory");
#else
  std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
}

Address down(Address address, Address grain) { return address / grain * grain; }
Address up(Address address, Address grain) { return down(address + grain - 1, grain); }

using Word = std::uint64_t;

/// Copies by aligned words of the buffer, which a mapping that is not cached takes too; memcpy promises
/// nothing.
void copy_to_buffer(std::byte* buffer, std::span<const std::byte> bytes) {
  std::size_t i = 0;
  const auto byte_until = [&](std::size_t end) {
    for (; i < end; ++i) *static_cast<volatile std::byte*>(buffer + i) = bytes[i];
  };
  const std::size_t misaligned = reinterpret_cast<std::uintptr_t>(buffer) % sizeof(Word);
  byte_until(std::min(bytes.size(), misaligned == 0 ? 0 : sizeof(Word) - misaligned));
  for (; i + sizeof(Word) <= bytes.size(); i += sizeof(Word)) {
    Word word = 0;
    std::memcpy(&word, bytes.data() + i, sizeof word);
    *reinterpret_cast<volatile Word*>(buffer + i) = word;
  }
  byte_until(bytes.size());
}

void copy_from_buffer(std::byte* buffer, std::span<std::byte> bytes) {
  std::size_t i = 0;
  const auto byte_until = [&](std::size_t end) {
    for (; i < end; ++i) bytes[i] = *static_cast<volatile std::byte*>(buffer + i);
  };
  const std::size_t misaligned = reinterpret_cast<std::uintptr_t>(buffer) % sizeof(Word);
  byte_until(std::min(bytes.size(), misaligned == 0 ? 0 : sizeof(Word) - misaligned));
  for (; i + sizeof(Word) <= bytes.size(); i += sizeof(Word)) {
    const Word word = *reinterpret_cast<volatile Word*>(buffer + i);
    std::memcpy(bytes.data() + i, &word, sizeof word);
  }
  byte_until(bytes.size());
}

/// The accelerator's registers and its buffer in this process. Not thread-safe.
class MemoryMappedDevice final : public Device {
 public:
  explicit MemoryMappedDevice(MappedBoard board) : board_(std::move(board)) {
    info_ = read_board_info(*this, board_.name, board_.clock_hz);
    rtl_ = rtl_fingerprint(*this);
  }

  const HardwareInfo& info() const override { return info_; }
  Address memory_size() const override { return board_.buffer.size(); }
  Address memory_base() const override { return board_.buffer_address; }

  void write_memory(Address address, std::span<const std::byte> bytes) override {
    check_window(address, bytes.size());
    if (bytes.empty()) return;
    const Address end = address + bytes.size();
    // The rest of a line that is written in part goes to memory with it.
    if (address % kCacheLine != 0) sync_for_cpu(address, address + 1);
    if (end % kCacheLine != 0) sync_for_cpu(end - 1, end);
    copy_to_buffer(board_.buffer.data() + address, bytes);
    if (board_.sync == nullptr) return;
    written_.add(down(address, kWriteGrain), std::min(up(end, kWriteGrain), memory_size()));
  }

  void read_memory(Address address, std::span<std::byte> bytes) override {
    check_window(address, bytes.size());
    if (bytes.empty()) return;
    sync_for_cpu(address, address + bytes.size());
    copy_from_buffer(board_.buffer.data() + address, bytes);
  }

  /// What the hardware would refuse is not tried: an error on the bus of an ARM ends the program, or the
  /// system.
  void write_register(std::uint32_t offset, std::uint32_t value) override {
    if (!registers::writable(offset)) refuse("writing", offset, "there is no such register");
    if (offset == registers::kStart) prepare_start(value);
    store(offset, value);
  }

  std::uint32_t read_register(std::uint32_t offset) override {
    if (!registers::readable(offset)) refuse("reading", offset, "there is no such register");
    const std::uint32_t value = load(offset);
    if (offset == registers::kLastDone && runs_ && value == sequence_) end_of_job();
    return value;
  }

  /// LAST_DONE alone tells that the job is over: an interrupt may be an old one, and may be lost.
  bool wait_done(std::uint32_t sequence, Cycles limit) override {
    const Seconds seconds = std::min(Seconds(static_cast<double>(limit) / board_.clock_hz), kLongestWait);
    const auto end = Clock::now() + seconds;
    const bool interrupts = board_.interrupt != nullptr;
    const std::uint32_t enabled = interrupts ? read_register(registers::kIrqEnable) : 0;
    if (interrupts) store(registers::kIrqEnable, 1);
    bool done = false;
    for (int polls = 0;; ++polls) {
      // Taken before LAST_DONE is read, so that a last look is had after the time is over.
      const double left = Seconds(end - Clock::now()).count();
      if (interrupts) arm_interrupt();
      done = read_register(registers::kLastDone) == sequence;
      if (done || left <= 0) break;
      pause(std::min(left, kRepollSeconds), polls);
    }
    if (interrupts) store(registers::kIrqEnable, enabled);
    return done;
  }

  void reset() override {
    store(registers::kControl, 1);
    const auto end = Clock::now() + kResetDeadline;
    for (int polls = 0; (load(registers::kStatus) & 3) != 0; ++polls) {
      if (Clock::now() > end) {
        throw DeviceError(fmt::format(
            "{}: the accelerator does not come back from a reset: its STATUS reads {:#x} after {} "
            "s; load the bitstream again or restart the board",
            board_.name, load(registers::kStatus), kResetDeadline.count()));
      }
      pause_without_interrupt(kRepollSeconds, polls);
    }
    end_of_job();
    if (const std::string now = rtl_fingerprint(*this); now != rtl_) {
      throw DeviceError(
          fmt::format("{}: the accelerator was exchanged: its fingerprint is {} and was {}; open it anew",
                      board_.name, now, rtl_));
    }
  }

 private:
  [[nodiscard]] std::uint32_t load(std::uint32_t offset) const {
    const std::uint32_t value = board_.registers[offset / 4];
    barrier();
    return value;
  }
  void store(std::uint32_t offset, std::uint32_t value) const {
    barrier();
    board_.registers[offset / 4] = value;
  }

  [[noreturn]] void refuse(const char* what, std::uint32_t offset, const char* why) const {
    throw DeviceError(fmt::format("{}: {} register {:#05x} was refused: {}", board_.name, what, offset, why));
  }

  void check_window(Address address, Address bytes) const {
    if (bytes > memory_size() || address > memory_size() - bytes) {
      throw DeviceError(fmt::format("{}: {} bytes at {:#x} are outside the memory of {} bytes", board_.name,
                                    bytes, address, memory_size()));
    }
  }

  void prepare_start(std::uint32_t sequence) {
    if ((load(registers::kStatus) & 3) != 0) {
      refuse("writing", registers::kStart, "a job or a reset is under way");
    }
    sync_for_device();
    fresh_.clear();
    runs_ = true;
    sequence_ = sequence;
  }

  /// From here on nobody but this program changes the buffer.
  void end_of_job() {
    runs_ = false;
    fresh_.clear();
  }

  void sync_for_device() {
    for (const auto& [begin, end] : written_) board_.sync->for_device(begin, end - begin);
    written_.clear();
  }

  void sync_for_cpu(Address begin, Address end) {
    if (board_.sync == nullptr || fresh_.contains(begin, end)) return;
    begin = down(begin, kReadGrain);
    end = std::min(up(end, kReadGrain), memory_size());
    // What was written and still is in the cache only would be lost.
    sync_for_device();
    board_.sync->for_cpu(begin, end - begin);
    if (!runs_) fresh_.add(begin, end);
  }

  void arm_interrupt() const {
    store(registers::kIrqStatus, 1);
    board_.interrupt->enable();
  }

  void pause(double seconds, int polls) const {
    if (board_.interrupt != nullptr) {
      board_.interrupt->wait(seconds);
    } else {
      pause_without_interrupt(seconds, polls);
    }
  }

  /// Short jobs and resets are over at once; long ones leave the processor to others.
  static void pause_without_interrupt(double seconds, int polls) {
    constexpr int kEager = 1000;
    constexpr double kNapSeconds = 100e-6;
    if (polls >= kEager) std::this_thread::sleep_for(Seconds(std::min(seconds, kNapSeconds)));
  }

  MappedBoard board_;
  HardwareInfo info_;
  std::string rtl_;  ///< fingerprint
  /// Written by this program and perhaps not yet seen by the accelerator.
  RangeSet written_;
  /// Synchronized for reading since the last job ended.
  RangeSet fresh_;
  bool runs_ = false;  ///< a job was started, and was not yet seen to end
  std::uint32_t sequence_ = 0;
};

}  // namespace

std::unique_ptr<Device> make_memory_mapped_device(const MappedBoard& board) {
  return std::make_unique<MemoryMappedDevice>(board);
}

}  // namespace bitloop::host::board
