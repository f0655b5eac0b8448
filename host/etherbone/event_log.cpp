#include "host/etherbone/event_log.h"

#include <fmt/format.h>

#include <exception>

namespace bitloop::host::etherbone {

void EventLog::line(const std::string& text) {
  try {
    pass_on(text);
  } catch (const std::exception&) {
  }
}

void EventLog::pass_on(const std::string& text) {
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
  sink_(text);
}

}  // namespace bitloop::host::etherbone
