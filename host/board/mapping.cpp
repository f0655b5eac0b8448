#include "host/board/mapping.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <string_view>
#include <utility>

#include "host/base/error.h"

namespace bitloop::host::board {
namespace {

std::string advice(int error, const std::string& hint) {
  if (error == EACCES || error == EPERM) return "run as root, or give your user the file by a udev rule";
  return hint;
}

}  // namespace

File::File(const std::filesystem::path& path, int flags, const std::string& hint)
    : descriptor_(open(path.c_str(), flags | O_CLOEXEC)), path_(path) {
  if (descriptor_ < 0) fail("cannot be opened", hint);
}

File::File(int descriptor, std::filesystem::path path) : descriptor_(descriptor), path_(std::move(path)) {}

File::File(File&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), path_(std::move(other.path_)) {}

File::~File() {
  if (descriptor_ >= 0) close(descriptor_);
}

void File::fail(const std::string& what, const std::string& hint) const {
  const int error = errno;
  throw DeviceError(
      fmt::format("{} {}: {}; {}", path_.string(), what, std::strerror(error), advice(error, hint)));
}

Mapping::Mapping(const File& file, std::size_t bytes) {
  void* const place = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.descriptor(), 0);
  if (place == MAP_FAILED) file.fail(fmt::format("cannot be mapped ({} bytes)", bytes), "check its driver");
  bytes_ = {static_cast<std::byte*>(place), bytes};
}

Mapping::~Mapping() { munmap(bytes_.data(), bytes_.size()); }

std::string read_attribute(const std::filesystem::path& path, const std::string& hint) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) throw DeviceError(fmt::format("{} cannot be read; {}", path.string(), hint));
  return line;
}

std::uint64_t read_number(const std::filesystem::path& path, const std::string& hint) {
  const std::string text = read_attribute(path, hint);
  const bool hexadecimal = text.starts_with("0x");
  const std::string_view digits = std::string_view(text).substr(hexadecimal ? 2 : 0);
  std::uint64_t value = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, hexadecimal ? 16 : 10);
  if (error != std::errc{} || end != digits.data() + digits.size()) {
    throw DeviceError(fmt::format("{} reads '{}', which is no number; {}", path.string(), text, hint));
  }
  return value;
}

}  // namespace bitloop::host::board
