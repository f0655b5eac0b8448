#pragma once

#include <chrono>
#include <functional>
#include <string>

namespace bitloop::host::etherbone {

/// Passes lines on, but no more of them per second than somebody can read: whoever connects again and again
/// fills no disk. Not thread-safe.
class EventLog {
 public:
  using Sink = std::function<void(const std::string&)>;
  explicit EventLog(Sink sink) : sink_(std::move(sink)) {}

  /// A log that cannot be written, such as on a full disk, ends no server.
  void line(const std::string& text);

 private:
  void pass_on(const std::string& text);

  using Clock = std::chrono::steady_clock;
  static constexpr int kPerSecond = 20;

  Sink sink_;
  Clock::time_point second_{};  ///< when the counted second began
  int lines_ = 0;               ///< in it
  std::size_t left_out_ = 0;
};

}  // namespace bitloop::host::etherbone
