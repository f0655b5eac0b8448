#include "quant/model/container.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>
#include <fstream>
#include <iterator>

#include "host/base/atomic_file.h"
#include "quant/model/hash.h"

namespace bitloop::quant {
namespace {

static_assert(std::endian::native == std::endian::little, "files hold little-endian numbers");

constexpr std::size_t kHashDigits = 64;

std::string first_words(std::string_view kind) { return fmt::format("bitloop {} 1 ", kind); }

}  // namespace

void write_container(const Container& container, std::string_view kind, const std::filesystem::path& path) {
  const std::string header = container.header.dump();
  const std::uint64_t header_bytes = header.size();
  const auto length = std::as_bytes(std::span(&header_bytes, 1));
  const std::string hash = Sha256().add(length).add(header).add(container.payload).hex();

  std::vector<std::byte> bytes;
  const auto append = [&](std::string_view text) { append_values(bytes, std::span(text)); };
  append(first_words(kind));
  append(hash);
  append("\n");
  bytes.insert(bytes.end(), length.begin(), length.end());
  append(header);
  bytes.insert(bytes.end(), container.payload.begin(), container.payload.end());
  std::error_code ignored;  // what follows says what is wrong
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), ignored);
  host::write_file_atomically(path, bytes);
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
  if (text.starts_with("PK\x03\x04") || text.starts_with("\x80\x02")) {
    throw InputError(fmt::format(
        "{} looks like PyTorch's, which Bitloop does not read, and is no {}: a network of PyTorch's is "
        "exported to ONNX (torch.onnx.export) and given as --model",
        path.string(), kind));
  }
  if (!text.starts_with(words)) {
    throw InputError(fmt::format("{} is no {} of Bitloop's: give one that it wrote", path.string(), kind));
  }
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
