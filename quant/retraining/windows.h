#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "host/network/network.h"

namespace bitloop::quant {

// What the quantized graph does to windows beside convolutions and max pools (pooling.h), forward and
// backward.

/// Groups of the convolution of `x`, by the channels that each filter reads.
inline std::int64_t groups_of(const at::Tensor& x, const at::Tensor& weights) {
  return x.size(1) / weights.size(1);
}

/// [image, channel, row, column] of a tensor for so many images.
inline std::vector<std::int64_t> image_sizes(const host::Shape& shape, std::int64_t images) {
  return {images, shape.channels, shape.height, shape.width};
}

/// Each pixel `factor.y` x `factor.x` times.
at::Tensor upsampled(const at::Tensor& x, const host::Steps& factor);
at::Tensor upsample_gradient(const at::Tensor& gradient, const host::Steps& factor);

/// Sum of every window, as an average pool needs it; padding counts as 0.
at::Tensor window_sums(const host::Layer& layer, const at::Tensor& x);
at::Tensor window_sums_gradient(const host::Layer& layer, const at::Tensor& gradient, const at::Tensor& x);

}  // namespace bitloop::quant
