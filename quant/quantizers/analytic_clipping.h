#pragma once

#include "quant/quantizers/level_grid.h"

namespace bitloop::quant {

/// Zero-mean densities, of unit mean magnitude (Laplace) or unit deviation (Gauss).
enum class Density { laplace, gauss };

/// Expected squared error of a value of that density, rounded to the grid at `scale`; of an unsigned grid:
/// of its positive half, the negative one being rectified to an exact 0. In closed form, cell by cell: at few
/// bits the usual approximation (rounding noise of one twelfth step squared plus clipping) is far off.
double expected_error(Density density, const LevelGrid& grid, double scale);

/// The scale of least expected error.
double optimal_scale(Density density, const LevelGrid& grid);

/// ACIQ (Banner et al. 2019): scale per row of [row, value], from the density that makes the values likelier.
at::Tensor analytic_scales(const at::Tensor& values, const LevelGrid& grid);

}  // namespace bitloop::quant
