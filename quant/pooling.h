#pragma once

#include <ATen/ATen.h>

#include "host/network.h"

namespace bitloop::quant {

/// LibTorch's max pool and its gradient, several times faster where windows are 2x2, do not overlap and tile
/// the image, on the CPU: on its scalar kernel the pools would take a third of LeNet's retraining.
at::Tensor max_pool(const host::Layer& layer, const at::Tensor& x);

struct Pooled {
  at::Tensor values;
  at::Tensor
      indices;  ///< of each window's first largest element in its (where LibTorch cannot pad, padded) plane
};
Pooled max_pool_with_indices(const host::Layer& layer, const at::Tensor& x);
at::Tensor max_pool_gradient(const host::Layer& layer, const at::Tensor& gradient, const at::Tensor& x,
                             const at::Tensor& indices);

}  // namespace bitloop::quant
