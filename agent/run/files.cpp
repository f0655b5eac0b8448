#include "agent/run/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "host/base/error.h"

namespace bitloop::agent {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const fs::path& path, std::string_view what) {
  throw Error(fmt::format("{} could not be {} ({}): make room or check permissions, then go on with --resume",
                          path.string(), what, std::strerror(errno)));
}

bool write_all(int file, std::string_view content) {
  while (!content.empty()) {
    const ssize_t written = write(file, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw InputError(fmt::format("{} cannot be read ({})", path.string(), std::strerror(errno)));
  return {std::istreambuf_iterator<char>(file), {}};
}

LineFile::LineFile(const fs::path& path)
    : path_(path), file_(open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) {
  if (file_ < 0) fail(path, "opened");
  if (flock(file_, LOCK_EX | LOCK_NB) != 0) {
    close(file_);
    throw Error(fmt::format("{} is being written by another process: wait for it or choose another --out",
                            path.string()));
  }
  const std::string content = read_file(path);
  size_ = content.rfind('\n') == std::string::npos ? 0 : content.rfind('\n') + 1;
  if (size_ != content.size() && ftruncate(file_, static_cast<off_t>(size_)) != 0) {
    close(file_);
    fail(path, "repaired after an interrupted write");
  }
}

LineFile::~LineFile() { close(file_); }

void LineFile::append(std::string_view lines) {
  if (!write_all(file_, lines) || fsync(file_) != 0) {
    const int reason = errno;
    // What a failed write left behind would be cut off by the next resume too.
    if (ftruncate(file_, static_cast<off_t>(size_)) != 0) errno = reason;
    errno = reason;
    fail(path_, "extended");
  }
  size_ += lines.size();
}

}  // namespace bitloop::agent
