#pragma once

#include <fmt/format.h>

#include <chrono>
#include <functional>
#include <string>
#include <utility>

namespace bitloop::host::etherbone {

/// Passes lines on, but no more of them per second than somebody can read: whoever connects again and again
/// fills no disk. Not thread-safe.
class EventLog {
 public:
  using Sink = std::function<void(const std::string&)>;
  explicit EventLog(Sink sink) : sink_(std::move(sink)) {}

  /// Formats as fmt::format does. A line that cannot be written, such as on a full disk or for want of
  /// memory, is left out: it ends nothing that goes on.
  template <class... Arguments>
  void line(fmt::format_string<Arguments...> format, Arguments&&... arguments) noexcept {
    write(format, fmt::make_format_args(arguments...));
  }

 private:
  void write(fmt::string_view format, fmt::format_args arguments) noexcept;
  void pass_on(fmt::string_view format, fmt::format_args arguments);

  using Clock = std::chrono::steady_clock;
  static constexpr int kPerSecond = 20;

  Sink sink_;
  Clock::time_point second_{};  ///< when the counted second began
  int lines_ = 0;               ///< in it
  std::size_t left_out_ = 0;
};

}  // namespace bitloop::host::etherbone
