#pragma once

#include <ATen/ATen.h>

namespace bitloop::quant {

// Rounding of weights as training needs it, one pass over memory each way; see `weight_rounding`. Tensors are
// [filter, ...], `sign` is [filter]: 1, or -1 where a filter's values are flipped.

at::Tensor round_weights(const at::Tensor& ratio, const at::Tensor& sign, int bits);

/// From the gradient of `round_weights`' result.
struct WeightGradient {
  at::Tensor ratio;    ///< straight through the rounding, where |ratio| is within the limit
  at::Tensor product;  ///< gradient * value
};
WeightGradient weight_gradient(const at::Tensor& gradient, const at::Tensor& ratio, const at::Tensor& values,
                               const at::Tensor& sign, int bits);

}  // namespace bitloop::quant
