#pragma once

#include <filesystem>
#include <optional>

namespace bitloop::host {

/// A lock between processes on a file that exists for nothing else. Given back when destroyed, or by the
/// system when the process ends, however it ends.
class FileLock {
 public:
  enum class Kind { shared, exclusive };

  /// Creates the file where it is missing. None where others hold a lock that excludes this one; throws Error
  /// where the file cannot be opened.
  static std::optional<FileLock> try_lock(const std::filesystem::path& path, Kind kind);

  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) noexcept;
  ~FileLock();

 private:
  explicit FileLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace bitloop::host
