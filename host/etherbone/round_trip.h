#pragma once

#include <algorithm>
#include <chrono>

namespace bitloop::host::etherbone {

/// How long answers take on this way, and from when on one is to be taken for lost (RFC 6298, with a lower
/// limit that suits a local network).
class RoundTrip {
 public:
  using Duration = std::chrono::nanoseconds;

  void add(Duration measured) {
    if (mean_ == Duration{}) {
      mean_ = measured;
      deviation_ = measured / 2;
      return;
    }
    deviation_ += (std::chrono::abs(mean_ - measured) - deviation_) / 4;
    mean_ += (measured - mean_) / 8;
  }

  [[nodiscard]] Duration limit() const {
    if (mean_ == Duration{}) return kFirst;
    return std::clamp<Duration>(mean_ + 4 * deviation_, kLeast, kMost);
  }

 private:
  static constexpr Duration kFirst = std::chrono::milliseconds(50);
  static constexpr Duration kLeast = std::chrono::milliseconds(1);
  static constexpr Duration kMost = std::chrono::milliseconds(250);

  Duration mean_{};
  Duration deviation_{};
};

}  // namespace bitloop::host::etherbone
