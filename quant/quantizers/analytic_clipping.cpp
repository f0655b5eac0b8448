#include "quant/quantizers/analytic_clipping.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace bitloop::quant {
namespace {

/// Integral of (x - level)^2 times the density, from `from` >= 0 to infinity.
double tail(Density density, double from, double level) {
  if (std::isinf(from)) return 0;
  if (density == Density::laplace) {
    const double d = from - level;
    return 0.5 * std::exp(-from) * (d * d + 2 * d + 2);
  }
  const double bell = std::exp(-0.5 * from * from) / std::sqrt(2 * std::numbers::pi);
  const double mass = 0.5 * std::erfc(from / std::numbers::sqrt2);
  return (1 + level * level) * mass + (from - 2 * level) * bell;
}

/// Of the values from 0 up; `low` and `high` are the grid's as seen from that side.
double half_error(Density density, double low, double high, double spacing, double scale) {
  const double half_cell = 0.5 * spacing * scale;
  double error = 0;
  for (double level = high; level >= low; level -= spacing) {
    const double value = level * scale;
    const double from = level == low ? 0 : std::max(0.0, value - half_cell);
    const double to = level == high ? std::numeric_limits<double>::infinity() : value + half_cell;
    error += tail(density, from, value) - tail(density, to, value);
    if (from == 0) break;
  }
  return error;
}

}  // namespace

double expected_error(Density density, const LevelGrid& grid, double scale) {
  const double positive = half_error(density, grid.low, grid.high, grid.spacing, scale);
  return grid.is_signed() ? positive + half_error(density, -grid.high, -grid.low, grid.spacing, scale)
                          : positive;
}

double optimal_scale(Density density, const LevelGrid& grid) {
  // Golden section over the logarithm of the range's end: the error has one minimum there.
  constexpr int kRounds = 40;
  constexpr double kGolden = 1 / std::numbers::phi;
  const auto error = [&](double log_end) {
    return expected_error(density, grid, std::exp(log_end) / grid.high);
  };
  double low = std::log(0.3), high = std::log(30.0);
  double left = high - kGolden * (high - low), right = low + kGolden * (high - low);
  double left_error = error(left), right_error = error(right);
  for (int i = 0; i < kRounds; ++i) {
    if (left_error < right_error) {
      high = right;
      right = left;
      right_error = left_error;
      left = high - kGolden * (high - low);
      left_error = error(left);
    } else {
      low = left;
      left = right;
      left_error = right_error;
      right = low + kGolden * (high - low);
      right_error = error(right);
    }
  }
  return std::exp((low + high) / 2) / grid.high;
}

at::Tensor analytic_scales(const at::Tensor& values, const LevelGrid& grid) {
  // Of unsigned values the zeros say nothing: they are exact at any scale.
  const at::Tensor magnitudes = grid.is_signed() ? values.abs() : values.clamp_min(0);
  const at::Tensor count =
      grid.is_signed() ? at::full({values.size(0)}, static_cast<double>(values.size(1)), values.options())
                       : magnitudes.gt(0).sum(1).to(values.scalar_type()).clamp_min_(1);
  const at::Tensor mean = magnitudes.sum(1).div_(count);
  const at::Tensor deviation = magnitudes.square().sum(1).div_(count).sqrt_();
  // Where the logarithms of both likelihoods, -log(2 mean) - 1 and -log(2 pi e deviation^2) / 2, are equal.
  const double border = std::sqrt(std::numbers::pi / (2 * std::numbers::e));
  return at::where(mean < deviation * border, mean * optimal_scale(Density::laplace, grid),
                   deviation * optimal_scale(Density::gauss, grid));
}

}  // namespace bitloop::quant
