#include "quant/data/packed_file.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>

#include "host/base/error.h"

namespace bitloop::quant {
namespace {

constexpr std::size_t kChunk = std::size_t{1} << 22;

}  // namespace

PackedFile::PackedFile(const std::filesystem::path& path)
    : path_(path), file_(gzopen(path.c_str(), "rb"), gzclose) {
  if (!file_)
    throw InputError(fmt::format("cannot open {}: check the path and its permissions", path.string()));
  gzbuffer(file_.get(), 1 << 17);
}

void PackedFile::fail(const std::string& what) const {
  throw InputError(fmt::format("{} {}: fetch the file again", path_.string(), what));
}

void PackedFile::check_zlib() const {
  int code = Z_OK;
  const char* message = gzerror(file_.get(), &code);
  if (code == Z_BUF_ERROR) fail("is truncated");
  if (code != Z_OK && code != Z_STREAM_END) fail(fmt::format("is damaged ({})", message));
}

std::size_t PackedFile::read_some(std::span<std::uint8_t> bytes) {
  const auto wanted = static_cast<unsigned>(std::min<std::size_t>(bytes.size(), 1U << 26));
  const int got = gzread(file_.get(), bytes.data(), wanted);
  check_zlib();
  return got > 0 ? static_cast<std::size_t>(got) : 0;
}

void PackedFile::read(std::span<std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const std::size_t got = read_some(bytes);
    if (got == 0) fail("is truncated");
    bytes = bytes.subspan(got);
  }
}

std::uint32_t PackedFile::read_u32() {
  std::array<std::uint8_t, 4> b{};
  read(b);
  return std::uint32_t{b[0]} << 24 | std::uint32_t{b[1]} << 16 | std::uint32_t{b[2]} << 8 | b[3];
}

std::vector<std::uint8_t> PackedFile::read_rest() {
  std::vector<std::uint8_t> bytes;
  for (std::size_t got = 1; got > 0;) {
    const std::size_t before = bytes.size();
    bytes.resize(before + kChunk);
    got = read_some(std::span(bytes).subspan(before));
    bytes.resize(before + got);
    if (bytes.size() > kMaxFileBytes) fail(fmt::format("holds more than {} bytes", kMaxFileBytes));
  }
  return bytes;
}

void PackedFile::expect_end() {
  std::array<std::uint8_t, 1> extra{};
  if (read_some(extra) != 0) fail("holds more bytes than its header states");
}

std::filesystem::path find_packed(const std::filesystem::path& directory, const std::string& name) {
  for (const std::string& candidate : {name, name + ".gz"})
    if (std::filesystem::is_regular_file(directory / candidate)) return directory / candidate;
  return {};
}

}  // namespace bitloop::quant
