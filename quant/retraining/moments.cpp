#include "quant/retraining/moments.h"

#include <algorithm>
#include <cstdint>

#include "quant/tensor/per_filter.h"
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

/// Of pixels whose channels lie side by side; channels repeat after `period` numbers.
BITLOOP_VECTORIZED void add_pixels(const float* pixels, std::int64_t count, std::int64_t period,
                                   double* values, double* squares) {
  for (std::int64_t first = 0; first < count; first += period) {
    const std::int64_t length = std::min(period, count - first);
    for (std::int64_t i = 0; i < length; ++i) {
      const double value = pixels[first + i];
      values[i] += value;
      squares[i] += value * value;
    }
  }
}

std::vector<double> numbers(const at::Tensor& per_filter) {
  const at::Tensor here = per_filter.to(at::kCPU).contiguous();
  return {here.data_ptr<double>(), here.data_ptr<double>() + here.numel()};
}

}  // namespace

void MomentSums::add(const at::Tensor& results) {
  const std::int64_t filters = results.size(1), images = results.size(0);
  const std::int64_t inner = results.numel() / std::max<std::int64_t>(1, images * filters);
  const bool planes = results.dim() == 4 && results.is_contiguous();
  const bool floats = results.is_cpu() && results.scalar_type() == at::kFloat;
  if (!floats || !(planes || pixels_in_rows(results))) {
    const at::Tensor rows = results.transpose(0, 1).flatten(1).to(at::kDouble);
    return add(numbers(rows.sum(1)), numbers(rows.square().sum(1)), static_cast<double>(images * inner));
  }
  std::vector<double> values(static_cast<std::size_t>(filters)), squares(values.size());
  if (!planes) {
    const std::int64_t period = channel_period(filters);
    std::vector<double> all(static_cast<std::size_t>(2 * period));
    add_pixels(results.data_ptr<float>(), results.numel(), period, all.data(), all.data() + period);
    for (std::size_t i = 0; i < static_cast<std::size_t>(period); ++i) {
      values[i % values.size()] += all[i];
      squares[i % values.size()] += all[i + static_cast<std::size_t>(period)];
    }
    return add(values, squares, static_cast<double>(images * inner));
  }
  const float* row = results.data_ptr<float>();
  for (std::int64_t image = 0; image < images; ++image)
    for (std::size_t f = 0; f < values.size(); ++f, row += inner) {
      const Sums part = sums_of_row(row, inner);
      values[f] += part.values;
      squares[f] += part.squares;
    }
  add(values, squares, static_cast<double>(images * inner));
}

void MomentSums::add(const MomentSums& other) { add(other.values_, other.squares_, other.count_); }

void MomentSums::add(const std::vector<double>& values, const std::vector<double>& squares, double count) {
  values_.resize(values.size());
  squares_.resize(values.size());
  for (std::size_t f = 0; f < values.size(); ++f) {
    values_[f] += values[f];
    squares_[f] += squares[f];
  }
  count_ += count;
}

Moments MomentSums::moments() const {
  const auto filters = static_cast<std::int64_t>(values_.size());
  Moments moments{at::empty({filters}, at::kFloat), at::empty({filters}, at::kFloat)};
  for (std::int64_t f = 0; f < filters; ++f) {
    const double mean = values_[static_cast<std::size_t>(f)] / count_;
    const double variance = std::max(0.0, squares_[static_cast<std::size_t>(f)] / count_ - mean * mean);
    moments.mean.data_ptr<float>()[f] = static_cast<float>(mean);
    moments.variance.data_ptr<float>()[f] = static_cast<float>(variance);
  }
  return moments;
}

Moments moments_of(const at::Tensor& results) {
  if (!results.is_cpu()) {
    auto [mean, variance] = at::batch_norm_update_stats(results, {}, {}, 0);
    return {mean, variance};
  }
  MomentSums sums;
  sums.add(results);
  return sums.moments();
}

}  // namespace bitloop::quant
