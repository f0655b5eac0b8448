// libFuzzer on what a server takes from the network: any bytes, in pieces of any length, must leave it
// standing, its memory use bounded, and the device untouched outside its windows.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "host/base/error.h"
#include "host/device/registers.h"
#include "host/etherbone/served_device.h"

namespace {

using namespace bitloop;

/// Traps where an access leaves its memory or registers; refuses some registers, as the hardware does.
class Board : public host::Device {
 public:
  const host::HardwareInfo& info() const override { return info_; }
  host::Address memory_size() const override { return memory_.size(); }
  void write_memory(host::Address address, std::span<const std::byte> bytes) override {
    check(address, bytes.size());
    std::copy(bytes.begin(), bytes.end(), memory_.begin() + static_cast<std::ptrdiff_t>(address));
  }
  void read_memory(host::Address address, std::span<std::byte> bytes) override {
    check(address, bytes.size());
    std::copy_n(memory_.begin() + static_cast<std::ptrdiff_t>(address), bytes.size(), bytes.begin());
  }
  void write_register(std::uint32_t offset, std::uint32_t value) override {
    if (offset >= 4096 || offset % 4 != 0) __builtin_trap();
    if (offset < host::registers::kControl) throw DeviceError("read only");
    if (offset == host::registers::kStart) last_done_ = value;
  }
  std::uint32_t read_register(std::uint32_t offset) override {
    if (offset >= 4096 || offset % 4 != 0) __builtin_trap();
    if (offset > host::registers::kCounters + 256) throw DeviceError("unmapped");
    return offset == host::registers::kLastDone ? last_done_ : offset;
  }
  bool wait_done(std::uint32_t sequence, host::Cycles) override { return last_done_ == sequence; }
  void reset() override {}

 private:
  void check(host::Address address, std::size_t bytes) const {
    if (address > memory_.size() || bytes > memory_.size() - address) __builtin_trap();
  }

  host::HardwareInfo info_ = [] {
    host::HardwareInfo info;
    info.name = "fuzzed";
    info.fingerprint = "0123456789abcdef0123456789abcdef";
    return info;
  }();
  std::array<std::byte, 64 << 10> memory_{};
  std::uint32_t last_done_ = 0;
};

}  // namespace

/// The first byte chooses how the server is and how long the pieces are that the rest comes in.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  Board board;
  host::etherbone::ServedDevice served(board, {.bare = (data[0] & 1) != 0, .datagrams = (data[0] & 2) != 0});
  const std::size_t piece = (data[0] & 0x80) != 0 ? 1 + (data[0] >> 2 & 31) : size;
  std::vector<std::byte> waiting;
  std::vector<std::byte> replies;
  for (std::size_t at = 1; at < size;) {
    const auto next = std::as_bytes(std::span(data + at, std::min(piece, size - at)));
    waiting.insert(waiting.end(), next.begin(), next.end());
    at += next.size();
    for (bool again = true; again;) {
      const auto taken = served.take(waiting, replies);
      if (taken.foreign != nullptr) return 0;
      if (taken.bytes > waiting.size()) __builtin_trap();
      waiting.erase(waiting.begin(), waiting.begin() + static_cast<std::ptrdiff_t>(taken.bytes));
      again = taken.paused;
    }
    if (served.running()) served.step();
    // A reply never has more than a record; all of them come from requests that are longer.
    if (replies.size() > 2 * size + 4096) __builtin_trap();
  }
  return 0;
}
