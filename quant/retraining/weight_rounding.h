#pragma once

#include <ATen/ATen.h>

namespace bitloop::quant {

// Rounding of weights as training needs it, one pass over memory each way: WeightRounding of
// quant/quantizers/encoding.h. Tensors are [filter, ...], `sign` is [filter]: 1, or -1 where a filter's
// values are flipped.

at::Tensor round_weights(const at::Tensor& ratio, const at::Tensor& sign, int bits);

/// The gradient of `ratio` from that of the values: straight through the rounding, 0 beyond the limit.
at::Tensor weight_gradient(const at::Tensor& gradient, const at::Tensor& ratio, const at::Tensor& sign,
                           int bits);

}  // namespace bitloop::quant
