#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>
#include <vector>

#include "host/base/error.h"

namespace bitloop::quant {

/// What checkpoint and model files hold: a JSON header and raw little-endian bytes.
struct Container {
  nlohmann::json header;
  std::vector<std::byte> payload;
};

/// Writes one line (`bitloop KIND 1 SHA-256`), the header and the payload to a temporary name, then renames.
void write_container(const Container& container, std::string_view kind, const std::filesystem::path& path);
/// Throws InputError, naming the file, where it is absent, of another kind, truncated or changed since it was
/// written.
Container read_container(std::string_view kind, const std::filesystem::path& path);

/// Appends the bytes of plain values.
template <typename T>
void append_values(std::vector<std::byte>& bytes, std::span<const T> values) {
  const auto raw = std::as_bytes(values);
  bytes.insert(bytes.end(), raw.begin(), raw.end());
}

/// Takes plain values off the front of a payload; throws InputError where it ends too soon.
class PayloadReader {
 public:
  PayloadReader(std::span<const std::byte> bytes, const std::filesystem::path& path)
      : bytes_(bytes), path_(path) {}

  template <typename T>
  void take(std::span<T> values) {
    const auto raw = std::as_writable_bytes(values);
    if (raw.size() > bytes_.size()) fail();
    std::copy_n(bytes_.begin(), raw.size(), raw.begin());
    bytes_ = bytes_.subspan(raw.size());
  }
  void expect_end() const {
    if (!bytes_.empty()) fail();
  }

 private:
  [[noreturn]] void fail() const {
    throw InputError(path_.string() + " does not hold the numbers that its header states: write it again");
  }
  std::span<const std::byte> bytes_;
  std::filesystem::path path_;
};

}  // namespace bitloop::quant
