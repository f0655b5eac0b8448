#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace bitloop::agent {

/// Throws InputError where the file cannot be read.
std::string read_file(const std::filesystem::path& path);

/// A text file that grows by whole lines. A line is on disk when `append` returns; where it cannot be, the
/// file is as before and the call throws Error. Locked against other processes while open. Not thread-safe.
class LineFile {
 public:
  /// Opens or creates; an incomplete last line (a write that was killed) is cut off.
  /// Throws Error where another process has it open.
  explicit LineFile(const std::filesystem::path& path);
  ~LineFile();
  LineFile(const LineFile&) = delete;
  LineFile& operator=(const LineFile&) = delete;

  /// `lines` end with a newline each.
  void append(std::string_view lines);

 private:
  std::filesystem::path path_;
  int file_;
  std::size_t size_ = 0;
};

}  // namespace bitloop::agent
