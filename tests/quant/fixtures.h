#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "host/network/policy.h"
#include "quant/data/dataset.h"

namespace bitloop::quant {

/// A folder that is gone after the test.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "bitloop-quant-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    path_ = name;
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline std::vector<std::uint8_t> random_bytes(std::size_t count, std::uint64_t seed) {
  std::mt19937_64 generator(seed);
  std::vector<std::uint8_t> bytes(count);
  for (auto& byte : bytes) byte = static_cast<std::uint8_t>(generator());
  return bytes;
}

/// A learnable set of LeNet's shape that needs no files: the class is the position of a bright bar, under
/// noise.
inline Split bars(std::size_t count, std::uint64_t seed) {
  std::mt19937_64 generator(seed);
  Split split;
  for (std::size_t i = 0; i < count; ++i) {
    const auto label = static_cast<std::uint16_t>(generator() % 10);
    split.labels.push_back(label);
    for (int row = 0; row < 28; ++row)
      for (int column = 0; column < 28; ++column) {
        const int noise = static_cast<int>(generator() % 100);
        const bool bar = label < 5 ? row / 5 == label : column / 5 == label - 5;
        split.pixels.push_back(static_cast<std::uint8_t>(noise + (bar ? 80 : 0)));
      }
  }
  return split;
}

inline Dataset bars_dataset() {
  Dataset data;
  data.name = data.spec = "bars";
  data.shape = {1, 28, 28};
  data.mean = {0.25F};
  data.deviation = {0.16F};
  data.train = bars(2000, 1);
  data.reward = bars(500, 2);
  data.test = bars(500, 3);
  data.split_hash = "bars";
  return data;
}

}  // namespace bitloop::quant
