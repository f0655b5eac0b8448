#include "host/base/atomic_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>

#include "host/base/error.h"

namespace bitloop::host {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const fs::path& path, std::string_view what) {
  throw Error(fmt::format(
      "{} could not be {} ({}): make room or check the folder and its permissions, then try again",
      path.string(), what, std::strerror(errno)));
}

/// Closes a descriptor at the end of a scope.
struct Descriptor {
  explicit Descriptor(int descriptor) : value(descriptor) {}
  ~Descriptor() {
    if (value >= 0) close(value);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int value;
};

/// Removes a file at the end of a scope, unless it was renamed by then.
struct Temporary {
  explicit Temporary(fs::path file) : path(std::move(file)) {}
  ~Temporary() {
    std::error_code ignored;
    fs::remove(path, ignored);
  }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
  fs::path path;
};

bool write_all(int file, std::span<const std::byte> content) {
  while (!content.empty()) {
    const ssize_t written = write(file, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    content = content.subspan(static_cast<std::size_t>(written));
  }
  return true;
}

/// Makes a rename durable. Some file systems refuse; then the rename is as durable as they make it.
void sync_folder(const fs::path& file) {
  const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  const Descriptor descriptor(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (descriptor.value >= 0) (void)fsync(descriptor.value);
}

}  // namespace

void write_file_atomically(const fs::path& path, std::span<const std::byte> content) {
  const Temporary temporary(path.string() + fmt::format(".{}.tmp", getpid()));
  {
    const Descriptor file(open(temporary.path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (file.value < 0 || !write_all(file.value, content) || fsync(file.value) != 0) fail(path, "written");
  }
  if (std::rename(temporary.path.c_str(), path.c_str()) != 0) fail(path, "renamed into place");
  sync_folder(path);
}

void write_file_atomically(const fs::path& path, std::string_view content) {
  write_file_atomically(path, std::as_bytes(std::span(content)));
}

bool is_stale_temporary(const fs::path& file) {
  if (file.extension() != ".tmp") return false;
  const std::string number = file.stem().extension().string();
  if (number.size() < 2) return false;
  pid_t process = 0;
  const char* end = number.data() + number.size();
  const auto [rest, error] = std::from_chars(number.data() + 1, end, process);
  if (error != std::errc{} || rest != end || process <= 0) return false;
  return process == getpid() || (kill(process, 0) != 0 && errno == ESRCH);
}

}  // namespace bitloop::host
