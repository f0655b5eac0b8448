#include "agent/console/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace bitloop::console {
namespace {

constexpr int kBarWidth = 24;
constexpr double kRedrawSeconds = 0.1;
constexpr double kLeastShare = 0.01;  ///< of the work, from which time left is told
/// Without a terminal: a line for every tenth of the work, and none within the same two seconds.
constexpr double kLineShare = 0.1;
constexpr double kLineSeconds = 2;
constexpr std::chrono::seconds kMoment{1};  ///< that a late bar waits

/// Columns of the terminal behind standard error: it may change while a bar stands there.
std::size_t terminal_columns() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

std::string clock_text(double seconds) {
  const long total = std::max(0L, static_cast<long>(seconds + 0.5));
  if (total >= 3600) return fmt::format("{}:{:02}:{:02}", total / 3600, total / 60 % 60, total % 60);
  return fmt::format("{}:{:02}", total / 60, total % 60);
}

std::optional<double> Pace::left(double done, double seconds) {
  if (!began_ || done <= 0) {
    began_ = true;
    first_done_ = done;
    first_seconds_ = seconds;
  }
  if (done <= first_done_ + kLeastShare) return std::nullopt;
  return (seconds - first_seconds_) * (1 - done) / (done - first_done_);
}

ProgressBar::ProgressBar(std::string title)
    : title_(std::move(title)), terminal_(isatty(STDERR_FILENO) == 1) {}

ProgressBar::~ProgressBar() { finish(); }

void ProgressBar::update(double done, const std::string& note) {
  if (finished_) return;
  done = std::clamp(done, 0.0, 1.0);
  const auto now = Clock::now();
  const double elapsed = std::chrono::duration<double>(now - start_).count();
  const std::optional<double> seconds_left = pace_.left(done, elapsed);
  const double since_last = std::chrono::duration<double>(now - last_).count();
  const bool due = terminal_ ? since_last >= kRedrawSeconds
                             : since_last >= kLineSeconds && done >= last_done_ + kLineShare;
  if (!due && done < 1) return;
  if (!terminal_ && done >= 1 && last_done_ >= 1) return;
  const std::string left = seconds_left ? clock_text(*seconds_left) + " left" : "";
  if (terminal_) {
    const int filled = static_cast<int>(done * kBarWidth + 0.5);
    const std::string line = fmt::format("{} [{:#<{}}{:.<{}}] {:3.0f} %  {} {}  {}", title_, "", filled, "",
                                         kBarWidth - filled, done * 100, clock_text(elapsed), left, note);
    // A line that wraps would not be redrawn but scroll: its end, the note's, is cut. The last column stays
    // free.
    fmt::print(stderr, "\r\033[K{:.{}}", line, terminal_columns() - 1);
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
