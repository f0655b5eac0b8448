#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace bitloop::host::etherbone {

/// A 32-bit bus behind a wire, as one client sees it: reads and writes of whole words, in order.
///
/// `read` and `write` move bytes in memory order (the lowest address first); address and size are multiples
/// of 4. A read returns what stands there after all writes before it. They throw DeviceLost where the wire
/// fails or an answer does not come in time; then only `reconnect` helps. Not thread-safe.
class Bus {
 public:
  virtual ~Bus() = default;

  virtual void write(std::uint64_t address, std::span<const std::byte> bytes) = 0;
  virtual void read(std::uint64_t address, std::span<std::byte> bytes) = 0;
  /// A few words that take effect together or not at all, once or (UDP) more than once, but never after a
  /// later write: for registers. At most the bus's record.
  virtual void write_together(std::uint64_t address, std::span<const std::byte> bytes) {
    write(address, bytes);
  }

  /// One record that writes and then reads, whose answer may be held back by the other end (service.h,
  /// kWait). What it writes must be harmless whenever a copy of it arrives.
  virtual void exchange(std::uint64_t write_address, std::span<const std::byte> written,
                        std::uint64_t read_address, std::span<std::byte> bytes) = 0;
  /// Returns once no copy of a write_together before can arrive any more; whether there may have been one.
  virtual bool settle() { return false; }

  /// From now on there is a service page, and records have at most so many words.
  virtual void serve(std::size_t record_words) = 0;

  /// Throws DeviceLost unless all since `reconnect` crossed unaltered. Returns once all writes have arrived.
  virtual void confirm() = 0;
  /// A fresh connection; throws DeviceLost where there is none within the deadline.
  virtual void reconnect() = 0;
  /// What was connected to, for messages: "tcp://127.0.0.1:1234".
  [[nodiscard]] virtual const std::string& name() const = 0;
};

}  // namespace bitloop::host::etherbone
