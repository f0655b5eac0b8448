#include "quant/quantizers/histogram_clipping.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace bitloop::quant {
namespace {

constexpr int kBins = 2048;
constexpr double kEmpty = 1e-4;  // count that stands for an empty bin where values are clipped into it

double entropy_term(double count) { return count > 0 ? count * std::log(count) : 0; }

/// Sums over the first bins, so that a range's divergence costs its levels, not its bins.
struct Histogram {
  std::vector<double> counts;   ///< per bin
  std::vector<double> below;    ///< counts of the bins before
  std::vector<double> used;     ///< number of the bins before that are not empty
  std::vector<double> entropy;  ///< sum of count * log(count) of the bins before

  explicit Histogram(const at::Tensor& bins)
      : counts(kBins), below(kBins + 1), used(kBins + 1), entropy(kBins + 1) {
    const at::Tensor dense = bins.to(at::kCPU, at::kDouble).contiguous();
    std::copy_n(dense.data_ptr<double>(), kBins, counts.begin());
    for (int i = 0; i < kBins; ++i) {
      below[i + 1] = below[i] + counts[i];
      used[i + 1] = used[i] + (counts[i] > 0 ? 1 : 0);
      entropy[i + 1] = entropy[i] + entropy_term(counts[i]);
    }
  }

  /// Of the histogram clipped to its first `end` bins, what is beyond counted in the last of them, from the
  /// same without what is beyond, spread evenly over the used bins of each level.
  [[nodiscard]] double divergence(int end, int levels) const {
    const double all = below[kBins], inside = below[end], beyond = all - inside;
    double sum = entropy[end - 1] + entropy_term(counts[end - 1] + beyond);
    double last_count = kEmpty;
    for (int level = 0; level < levels; ++level) {
      const int first = level * end / levels, last = (level + 1) * end / levels;
      const double mass = below[last] - below[first];
      if (mass == 0) continue;
      const double spread = mass / (used[last] - used[first]);
      sum -= mass * std::log(spread);
      if (last == end && counts[end - 1] > 0) last_count = spread;
    }
    sum -= beyond * std::log(last_count);
    return sum / all - std::log(all / inside);
  }
};

}  // namespace

double divergence_threshold(const at::Tensor& magnitudes, int levels) {
  const double largest = magnitudes.max().item<double>();
  if (!(largest > 0)) return 0;
  at::Tensor bins = at::histc(magnitudes, kBins, 0, largest);
  bins[0] -= magnitudes.eq(0).sum();
  const Histogram histogram(bins);
  int best = kBins;
  double least = std::numeric_limits<double>::infinity();
  for (int end = std::min(levels, kBins); end <= kBins; ++end) {
    const double divergence = histogram.divergence(end, levels);
    if (divergence < least) {
      least = divergence;
      best = end;
    }
  }
  return largest * best / kBins;
}

double percentile_threshold(const at::Tensor& magnitudes, double share) {
  const at::Tensor flat = magnitudes.flatten();
  const auto count = static_cast<double>(flat.numel());
  // Not the next rank where the product is a whole number but for its rounding.
  const auto rank = static_cast<std::int64_t>(std::ceil(share * count * (1 - 1e-12)));
  return std::get<0>(flat.kthvalue(std::max<std::int64_t>(1, rank))).item<double>();
}

}  // namespace bitloop::quant
