#include "host/etherbone/event_log.h"

#include <exception>

namespace bitloop::host::etherbone {

void EventLog::write(fmt::string_view format, fmt::format_args arguments) noexcept {
  try {
    pass_on(format, arguments);
  } catch (const std::exception&) {
  }
}

void EventLog::pass_on(fmt::string_view format, fmt::format_args arguments) {
  if (!sink_) return;
  const Clock::time_point now = Clock::now();
  if (now - second_ >= std::chrono::seconds(1)) {
    second_ = now;
    lines_ = 0;
  }
  if (++lines_ > kPerSecond) {
    ++left_out_;
    return;
  }
  if (left_out_ > 0) sink_(fmt::format("({} lines left out: too many at once)", left_out_));
  left_out_ = 0;
  sink_(fmt::vformat(format, arguments));
}

}  // namespace bitloop::host::etherbone
