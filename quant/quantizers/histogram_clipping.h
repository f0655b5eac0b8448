#pragma once

#include <ATen/ATen.h>

namespace bitloop::quant {

/// The end of the range [0, end] whose `levels` equal parts keep the distribution of `magnitudes` best: least
/// Kullback-Leibler divergence over a histogram of 2048 bins, as TensorRT calibrates (Migacz 2017). Exact
/// zeros do not count: they are kept at any scale. Poor for 1 and 2 bits, where few levels cannot show a
/// shape.
double divergence_threshold(const at::Tensor& magnitudes, int levels);

/// The least magnitude that at least `share` (0..1) of the magnitudes do not exceed.
double percentile_threshold(const at::Tensor& magnitudes, double share);

}  // namespace bitloop::quant
