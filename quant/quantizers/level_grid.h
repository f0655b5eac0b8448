#pragma once

#include <ATen/ATen.h>

#include "quant/quantizers/encoding.h"

namespace bitloop::quant {

/// The values that codes stand for, in units of their scale: low, low + spacing, ..., high.
struct LevelGrid {
  double low = 0;
  double high = 0;
  double spacing = 1;

  [[nodiscard]] bool is_signed() const { return low < 0; }
  /// Where the range ends: at the last level, or, where 0 is no level, at the end of its cell.
  [[nodiscard]] double end() const { return spacing == 2 ? high + 1 : high; }
  /// Levels from 0 up.
  [[nodiscard]] int magnitudes() const { return static_cast<int>(high / spacing) + 1; }
};
LevelGrid weight_grid(int bits);
LevelGrid activation_grid(const CodeRange& range);

/// `values` [row, value] rounded to the nearest level at `scale` [row].
at::Tensor rounded(const at::Tensor& values, const at::Tensor& scale, const LevelGrid& grid);

/// Squared error of rounding, summed per row and weighted with `power` ([value] or [row, value]; undefined:
/// all 1).
at::Tensor squared_error(const at::Tensor& values, const at::Tensor& scale, const LevelGrid& grid,
                         const at::Tensor& power = {});

}  // namespace bitloop::quant
