#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace bitloop::quant {

/// Codes that one evaluation leaves for later ones: policies that agree up to a layer have the same codes
/// there. Kept as bytes under a text of all that they depend on, once that was asked for twice: what only one
/// policy has is not worth it. Holds up to `most_bytes`; beyond, what was not used for longest goes.
///
/// For evaluations by one quantizer, of splits that outlive it. Not thread-safe: one per worker.
class CodeMemory {
 public:
  static constexpr std::size_t kMostBytes = 256U << 20U;
  explicit CodeMemory(std::size_t most_bytes = kMostBytes) : most_bytes_(most_bytes) {}

  struct Entry {
    std::vector<std::uint8_t> codes{};       ///< in the order of their tensor in memory
    bool channels_last = true;               ///< which is [image, row, column, channel]
    std::vector<std::vector<float>> with{};  ///< what else was kept
  };
  /// Null: nothing is kept under this key. Valid until the next call.
  const Entry* find(const std::string& key);
  /// Whether so many bytes may be kept under the key, and were wished to before.
  bool wants(const std::string& key, std::size_t bytes);
  void keep(const std::string& key, Entry entry);

  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  struct Kept {
    std::string key;
    Entry entry;
    std::size_t bytes = 0;
  };
  std::size_t most_bytes_;
  std::size_t bytes_ = 0;
  std::list<Kept> kept_;  ///< the last used first
  std::unordered_map<std::string, std::list<Kept>::iterator> places_;
  std::unordered_set<std::string> wished_;
};

/// Codes less `zero`, whole numbers in float, as the bytes that they are; and back.
void codes_to_bytes(const float* codes, std::size_t count, float zero, std::uint8_t* bytes);
void bytes_to_codes(const std::uint8_t* bytes, std::size_t count, float zero, float* codes);

}  // namespace bitloop::quant
