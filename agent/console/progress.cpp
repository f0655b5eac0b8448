#include "agent/console/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace bitloop::console {
namespace {

constexpr int kBarWidth = 24;
constexpr double kRedrawSeconds = 0.1;
/// Without a terminal: a line for every tenth of the work, and none within the same two seconds.
constexpr double kLineShare = 0.1;
constexpr double kLineSeconds = 2;
constexpr std::chrono::seconds kMoment{1};  ///< that a late bar waits

}  // namespace

std::string clock_text(double seconds) {
  const long total = std::max(0L, static_cast<long>(seconds + 0.5));
  if (total >= 3600) return fmt::format("{}:{:02}:{:02}", total / 3600, total / 60 % 60, total % 60);
  return fmt::format("{}:{:02}", total / 60, total % 60);
}

ProgressBar::ProgressBar(std::string title)
    : title_(std::move(title)), terminal_(isatty(STDERR_FILENO) == 1) {}

ProgressBar::~ProgressBar() { finish(); }

void ProgressBar::update(double done, const std::string& note) {
  if (finished_) return;
  done = std::clamp(done, 0.0, 1.0);
  const auto now = Clock::now();
  const double since_last = std::chrono::duration<double>(now - last_).count();
  const bool due = terminal_ ? since_last >= kRedrawSeconds
                             : since_last >= kLineSeconds && done >= last_done_ + kLineShare;
  if (!due && done < 1) return;
  if (!terminal_ && done >= 1 && last_done_ >= 1) return;
  const double elapsed = std::chrono::duration<double>(now - start_).count();
  const std::string left = done > 0.01 ? clock_text(elapsed * (1 - done) / done) + " left" : "";
  if (terminal_) {
    const int filled = static_cast<int>(done * kBarWidth + 0.5);
    fmt::print(stderr, "\r\033[K{} [{:#<{}}{:.<{}}] {:3.0f} %  {} {}  {}", title_, "", filled, "",
               kBarWidth - filled, done * 100, clock_text(elapsed), left, note);
  } else {
    fmt::print(stderr, "{}: {:.0f} %, {}{}{}\n", title_, done * 100, clock_text(elapsed),
               left.empty() ? "" : ", " + left, note.empty() ? "" : "  " + note);
  }
  std::fflush(stderr);
  last_ = now;
  last_done_ = done;
  drawn_ = true;
}

void ProgressBar::finish() {
  if (!finished_ && drawn_ && terminal_) fmt::print(stderr, "\n");
  finished_ = true;
}

void LateProgressBar::update(double done, const std::string& note) {
  if (!bar_ && std::chrono::steady_clock::now() - start_ < kMoment) return;
  if (!bar_) bar_.emplace(title_);
  bar_->update(done, note);
}

}  // namespace bitloop::console
