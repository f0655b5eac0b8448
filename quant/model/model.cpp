#include "quant/model/model.h"

#include <algorithm>
#include <cmath>

namespace bitloop::quant {

bool Normalization::of_bytes() const {
  constexpr float kLargestOfUnits = 4;
  const auto large = [](float x) { return std::fabs(x) > kLargestOfUnits; };
  return std::ranges::any_of(mean, large) || std::ranges::any_of(deviation, large);
}

Normalization in_a_row(const Normalization& first, const Normalization& second) {
  if (first.empty() || second.empty()) return first.empty() ? second : first;
  Normalization both = first;
  for (std::size_t c = 0; c < both.mean.size(); ++c) {
    both.mean[c] += first.deviation[c] * second.mean[c];
    both.deviation[c] *= second.deviation[c];
  }
  return both;
}

}  // namespace bitloop::quant
