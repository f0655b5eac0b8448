#pragma once

#include <ATen/ATen.h>

#include "host/network/network.h"

namespace bitloop::quant {

// LibTorch's max pool and its gradient, several times faster where windows are 2x2, do not overlap and tile
// the image, on the CPU: by its scalar kernel the pools would take a third of LeNet's retraining.

at::Tensor max_pool(const host::Layer& layer, const at::Tensor& x);

/// Of the pool's input `x`: each window's first largest element gets the window's gradient. Which one that is
/// is found again, which costs less than memory for the indices of all windows.
at::Tensor max_pool_gradient(const host::Layer& layer, const at::Tensor& gradient, const at::Tensor& x);

}  // namespace bitloop::quant
