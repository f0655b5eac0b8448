#include "quant/model/result_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "host/base/error.h"

namespace bitloop::quant {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t kMostBytes = 256U << 20U;

/// Empty: nothing can be kept.
fs::path folder() {
  const fs::path cache = cache_folder();
  return cache.empty() ? cache : cache / "start";
}

fs::path file_of(std::string_view kind, const std::string& key) {
  return folder() / fmt::format("{}-{}", kind, key.substr(0, 32));
}

void forget_the_longest_unread() {
  struct File {
    fs::path path;
    fs::file_time_type read;
    std::uintmax_t bytes = 0;
  };
  std::vector<File> files;
  std::error_code gone;  // another process may have removed it
  for (const auto& entry : fs::directory_iterator(folder(), gone))
    files.push_back({entry.path(), entry.last_write_time(gone), entry.file_size(gone)});
  std::ranges::sort(files, std::greater(), &File::read);
  std::uintmax_t sum = 0;
  for (const File& file : files) {
    sum += file.bytes;
    if (sum > kMostBytes) fs::remove(file.path, gone);
  }
}

}  // namespace

fs::path cache_folder() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache != '\0')
    return fs::path(cache) / "bitloop";
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0')
    return fs::path(home) / ".cache" / "bitloop";
  return {};
}

std::optional<Container> ResultCache::find(const std::string& key) const {
  if (folder().empty()) return {};
  const fs::path path = file_of(kind_, key);
  std::error_code gone;
  if (!fs::exists(path, gone)) return {};
  try {
    Container found = read_container(kind_, path);
    fs::last_write_time(path, fs::file_time_type::clock::now(), gone);
    return found;
  } catch (const InputError&) {
    return {};  // damaged: it is computed and kept again
  }
}

void ResultCache::keep(const std::string& key, const Container& result) const {
  if (folder().empty() || result.payload.size() > kMostBytes / 4) return;
  try {
    write_container(result, kind_, file_of(kind_, key));
    forget_the_longest_unread();
  } catch (const Error&) {
    // A disk that takes no more costs time, no result.
  }
}

}  // namespace bitloop::quant
