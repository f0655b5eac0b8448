#include "agent/console/progress.h"

#include <gtest/gtest.h>
#include <pty.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <string>
#include <string_view>

namespace bitloop::console {
namespace {

TEST(Pace, preparations_before_the_first_step_do_not_count) {
  Pace pace;
  EXPECT_EQ(pace.left(0, 0), std::nullopt);
  EXPECT_EQ(pace.left(0, 100), std::nullopt);  // start scales are found
  EXPECT_EQ(pace.left(0.005, 100.5), std::nullopt);
  EXPECT_DOUBLE_EQ(pace.left(0.25, 101).value(), 3);
  EXPECT_DOUBLE_EQ(pace.left(0.5, 102).value(), 2);
  EXPECT_DOUBLE_EQ(pace.left(1, 104).value(), 0);
}

TEST(Pace, work_that_tells_of_itself_late_counts_from_there) {
  Pace pace;
  EXPECT_EQ(pace.left(0.2, 50), std::nullopt);
  EXPECT_DOUBLE_EQ(pace.left(0.6, 54).value(), 4);
}

/// What `draw` writes to a terminal of so many columns.
std::string on_terminal(unsigned short columns, void (*draw)()) {
  int master = -1, slave = -1;
  const winsize size{24, columns, 0, 0};
  EXPECT_EQ(openpty(&master, &slave, nullptr, nullptr, &size), 0);
  std::fflush(stderr);
  const int kept = dup(STDERR_FILENO);
  dup2(slave, STDERR_FILENO);
  draw();
  std::fflush(stderr);
  dup2(kept, STDERR_FILENO);
  close(kept);
  std::array<char, 4096> bytes{};
  const ssize_t count = read(master, bytes.data(), bytes.size());
  close(slave);
  close(master);
  return {bytes.data(), static_cast<std::size_t>(count)};
}

TEST(ProgressBar, a_narrow_terminal_is_never_filled_to_its_last_column) {
  const std::string drawn = on_terminal(60, [] {
    ProgressBar bar("final retraining");
    bar.update(0.5, "60/60 best 0.9150 at 0.595 (8:8 4:8 4:8 2:8 1:4 8:8 8:8)");
    bar.update(1, "60/60 best 0.9150 at 0.595 (8:8 4:8 4:8 2:8 1:4 8:8 8:8)");
  });
  constexpr std::string_view kRedraw = "\r\033[K";
  int lines = 0;
  for (std::size_t at = drawn.find(kRedraw); at != std::string::npos;) {
    const std::size_t start = at + kRedraw.size();
    at = drawn.find(kRedraw, start);
    const std::string line = drawn.substr(start, drawn.find_first_of("\r\n", start) - start);
    EXPECT_EQ(line.size(), 59U) << line;
    ++lines;
  }
  EXPECT_EQ(lines, 2);
}

}  // namespace
}  // namespace bitloop::console
