#include "quant/container.h"

#include <fmt/format.h>
#include <unistd.h>

#include <bit>
#include <cstring>
#include <fstream>
#include <iterator>

#include "quant/hash.h"

namespace bitloop::quant {
namespace {

static_assert(std::endian::native == std::endian::little, "files hold little-endian numbers");

constexpr std::size_t kHashDigits = 64;

std::string first_words(std::string_view kind) { return fmt::format("bitloop {} 1 ", kind); }

/// Removes an unfinished file.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::filesystem::path path) : path_(std::move(path)) {}
  ~TemporaryFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace

void write_container(const Container& container, std::string_view kind, const std::filesystem::path& path) {
  const std::string header = container.header.dump();
  const std::uint64_t header_bytes = header.size();
  const auto length = std::as_bytes(std::span(&header_bytes, 1));
  const std::string hash = Sha256().add(length).add(header).add(container.payload).hex();

  const auto fail = [&](const std::string& why) {
    throw Error(fmt::format("cannot write {} ({}): check the directory, its permissions and the free space",
                            path.string(), why));
  };
  std::error_code error;
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), error);
  if (error) fail(error.message());
  const TemporaryFile temporary(path.string() + fmt::format(".{}.tmp", getpid()));
  {
    std::ofstream file(temporary.path(), std::ios::binary);
    file << first_words(kind) << hash << '\n';
    file.write(reinterpret_cast<const char*>(length.data()), static_cast<std::streamsize>(length.size()));
    file << header;
    file.write(reinterpret_cast<const char*>(container.payload.data()),
               static_cast<std::streamsize>(container.payload.size()));
    if (!file.flush()) fail("write failed");
  }
  std::filesystem::rename(temporary.path(), path, error);
  if (error) fail(error.message());
}

Container read_container(std::string_view kind, const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file)
    throw InputError(fmt::format("cannot open {}: check the path and its permissions", path.string()));
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const std::string words = first_words(kind);
  const auto fail = [&](std::string_view what) {
    throw InputError(fmt::format("{} {}: write it again", path.string(), what));
  };
  if (!text.starts_with(words)) fail(fmt::format("is no file of kind '{}'", kind));
  const std::size_t start = words.size() + kHashDigits + 1;
  std::uint64_t header_bytes = 0;
  if (text.size() < start + sizeof header_bytes) fail("is truncated");
  const std::string_view body = std::string_view(text).substr(start);
  if (Sha256().add(body).hex() != text.substr(words.size(), kHashDigits)) fail("is truncated or damaged");
  std::memcpy(&header_bytes, body.data(), sizeof header_bytes);
  const std::string_view rest = body.substr(sizeof header_bytes);
  if (rest.size() < header_bytes) fail("is truncated");
  Container container;
  container.header = nlohmann::json::parse(rest.substr(0, header_bytes), nullptr, false);
  if (container.header.is_discarded()) fail("has a damaged header");
  const auto payload = std::as_bytes(std::span(rest.substr(header_bytes)));
  container.payload.assign(payload.begin(), payload.end());
  return container;
}

}  // namespace bitloop::quant
