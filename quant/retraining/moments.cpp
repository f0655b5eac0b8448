#include "quant/retraining/moments.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "quant/tensor/vectorized.h"

namespace bitloop::quant {
namespace {

struct Sums {
  double values = 0, squares = 0;
};

BITLOOP_VECTORIZED Sums sums_of_row(const float* row, std::int64_t count) {
  double values = 0, squares = 0;
#pragma omp simd reduction(+ : values, squares)
  for (std::int64_t i = 0; i < count; ++i) {
    const double value = row[i];
    values += value;
    squares += value * value;
  }
  return {values, squares};
}

}  // namespace

Moments moments_of(const at::Tensor& sums) {
  const bool planes = sums.dim() == 4 && sums.is_contiguous();
  if (!planes || !sums.is_cpu() || sums.scalar_type() != at::kFloat) {
    auto [mean, variance] = at::batch_norm_update_stats(sums, {}, {}, 0);
    return {mean, variance};
  }
  const std::int64_t filters = sums.size(1), inner = sums.size(2) * sums.size(3);
  std::vector<Sums> totals(static_cast<std::size_t>(filters));
  const float* row = sums.data_ptr<float>();
  for (std::int64_t image = 0; image < sums.size(0); ++image)
    for (Sums& total : totals) {
      const Sums part = sums_of_row(row, inner);
      total.values += part.values;
      total.squares += part.squares;
      row += inner;
    }
  Moments moments{at::empty({filters}, sums.options()), at::empty({filters}, sums.options())};
  const auto count = static_cast<double>(sums.size(0) * inner);
  for (std::int64_t f = 0; f < filters; ++f) {
    const double mean = totals[static_cast<std::size_t>(f)].values / count;
    const double variance = std::max(0.0, totals[static_cast<std::size_t>(f)].squares / count - mean * mean);
    moments.mean.data_ptr<float>()[f] = static_cast<float>(mean);
    moments.variance.data_ptr<float>()[f] = static_cast<float>(variance);
  }
  return moments;
}

}  // namespace bitloop::quant
