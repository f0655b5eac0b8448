#include "quant/quantizers/level_grid.h"

#include <algorithm>

namespace bitloop::quant {
namespace {

// Rows that are rounded together, so that they stay in a core's cache from one operation to the next.
constexpr std::int64_t kCachedValues = 1 << 15;

at::Tensor error_of_rows(const at::Tensor& values, const at::Tensor& scale, const LevelGrid& grid,
                         const at::Tensor& power) {
  const at::Tensor error = rounded(values, scale, grid).sub_(values).square_();
  return power.defined() ? error.mul_(power).sum(1) : error.sum(1);
}

}  // namespace

LevelGrid weight_grid(int bits) {
  switch (bits) {
    case 1:
      return {-1, 1, 2};
    case 2:
      return {-3, 3, 2};
    default:
      return {bits == 4 ? -7.0 : -127.0, bits == 4 ? 7.0 : 127.0, 1};
  }
}

LevelGrid activation_grid(const CodeRange& range) {
  return {static_cast<double>(range.low), static_cast<double>(range.high), 1};
}

at::Tensor rounded(const at::Tensor& values, const at::Tensor& scale, const LevelGrid& grid) {
  const at::Tensor step = scale.mul(grid.spacing).unsqueeze(1);
  const double first = grid.low / grid.spacing, last = grid.high / grid.spacing;
  return values.div(step).sub_(first - 0.5).floor_().add_(first).clamp_(first, last).mul_(step);
}

at::Tensor squared_error(const at::Tensor& values, const at::Tensor& scale, const LevelGrid& grid,
                         const at::Tensor& power) {
  const std::int64_t rows = values.size(0);
  const std::int64_t together =
      std::max<std::int64_t>(1, kCachedValues / std::max<std::int64_t>(1, values.size(1)));
  at::Tensor errors = at::empty_like(scale);
  for (std::int64_t first = 0; first < rows; first += together) {
    const std::int64_t count = std::min(together, rows - first);
    const bool by_row = power.defined() && power.dim() == 2;
    errors.narrow(0, first, count)
        .copy_(error_of_rows(values.narrow(0, first, count), scale.narrow(0, first, count), grid,
                             by_row ? power.narrow(0, first, count) : power));
  }
  return errors;
}

}  // namespace bitloop::quant
