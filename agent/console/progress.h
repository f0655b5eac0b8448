#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace bitloop::console {

/// How long the rest of some work takes, from its pace since it was last told at 0, or since the first time
/// that it was told at all: preparations do not count.
class Pace {
 public:
  /// Seconds left when `done` of 0..1 is done after `seconds`; nothing while too little is done to tell.
  std::optional<double> left(double done, double seconds);

 private:
  bool began_ = false;
  double first_done_ = 0;
  double first_seconds_ = 0;
};

/// Progress of long work on standard error: one line that is redrawn on a terminal, plain lines otherwise.
/// One thread at a time.
class ProgressBar {
 public:
  explicit ProgressBar(std::string title);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  /// `done` in 0..1; `note` says what matters now (best so far). Time left follows from the pace (see Pace).
  void update(double done, const std::string& note);
  /// Ends the line; later updates do nothing.
  void finish();

 private:
  using Clock = std::chrono::steady_clock;

  std::string title_;
  Clock::time_point start_ = Clock::now();
  Clock::time_point last_ = start_ - std::chrono::hours(1);
  double last_done_ = -1;
  Pace pace_;
  bool terminal_;
  bool finished_ = false;
  bool drawn_ = false;
};

/// The same for work that is often over at once: nothing shows before the first second has passed.
class LateProgressBar {
 public:
  explicit LateProgressBar(std::string title) : title_(std::move(title)) {}
  void update(double done, const std::string& note);

 private:
  std::string title_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::optional<ProgressBar> bar_;
};

/// "1:05" or "1:02:03".
std::string clock_text(double seconds);

}  // namespace bitloop::console
