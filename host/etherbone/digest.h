#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace bitloop::host::etherbone {

/// XXH3 (64 bits) of all bytes that were added so far. Both ends of a connection keep one for each direction:
/// where they differ, something did not cross unaltered.
class Digest {
 public:
  Digest();
  ~Digest();
  Digest(Digest&&) noexcept;
  Digest& operator=(Digest&&) noexcept;

  void add(std::span<const std::byte> bytes);
  [[nodiscard]] std::uint64_t value() const;
  /// As if nothing had been added.
  void restart();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace bitloop::host::etherbone
