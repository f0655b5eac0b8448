#include "quant/reference/code_memory.h"

#include <utility>

#include "quant/tensor/vectorized.h"

namespace bitloop::quant {
namespace {

/// Keys are short: what they take beside codes is nothing.
constexpr std::size_t kMostWishes = 100'000;

}  // namespace

const CodeMemory::Entry* CodeMemory::find(const std::string& key) {
  const auto found = places_.find(key);
  if (found == places_.end()) return nullptr;
  kept_.splice(kept_.begin(), kept_, found->second);
  return &kept_.front().entry;
}

bool CodeMemory::wants(const std::string& key, std::size_t bytes) {
  if (bytes > most_bytes_ || places_.contains(key)) return false;
  if (wished_.size() >= kMostWishes) wished_.clear();
  return !wished_.insert(key).second;
}

void CodeMemory::keep(const std::string& key, Entry entry) {
  std::size_t bytes = entry.codes.size();
  for (const std::vector<float>& numbers : entry.with) bytes += numbers.size() * sizeof(float);
  if (bytes > most_bytes_ || places_.contains(key)) return;
  while (bytes_ + bytes > most_bytes_) {
    bytes_ -= kept_.back().bytes;
    places_.erase(kept_.back().key);
    kept_.pop_back();
  }
  kept_.push_front({key, std::move(entry), bytes});
  places_.emplace(key, kept_.begin());
  bytes_ += bytes;
}

BITLOOP_VECTORIZED void codes_to_bytes(const float* codes, std::size_t count, float zero,
                                       std::uint8_t* bytes) {
  for (std::size_t i = 0; i < count; ++i)
    bytes[i] = static_cast<std::uint8_t>(static_cast<std::int32_t>(codes[i] + zero));
}

BITLOOP_VECTORIZED void bytes_to_codes(const std::uint8_t* bytes, std::size_t count, float zero,
                                       float* codes) {
  for (std::size_t i = 0; i < count; ++i) codes[i] = static_cast<float>(bytes[i]) - zero;
}

}  // namespace bitloop::quant
