#pragma once

#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "host/base/error.h"

namespace bitloop::quant {

using Bytes = std::vector<std::uint8_t>;

/// Makes the folders on the way.
inline void write_plain(const std::filesystem::path& path, const Bytes& bytes) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

inline void write_gzip(const std::filesystem::path& path, const Bytes& bytes) {
  gzFile file = gzopen(path.c_str(), "wb");
  ASSERT_EQ(gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size())), static_cast<int>(bytes.size()));
  gzclose(file);
}

inline Bytes read_plain(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

/// Data and networks that tests may use where they are: $BITLOOP_SHARED, else the folder beside the
/// repository's.
inline std::filesystem::path shared_folder() {
  const char* given = std::getenv("BITLOOP_SHARED");
  return given != nullptr ? given : std::filesystem::path(BITLOOP_ROOT) / "../shared";
}

/// The message of the InputError that `action` throws.
template <typename Action>
std::string refusal(const Action& action) {
  try {
    action();
  } catch (const InputError& error) {
    return error.what();
  }
  return "nothing was refused";
}

}  // namespace bitloop::quant
