#pragma once

#include <ATen/ATen.h>

#include "host/network/network.h"

namespace bitloop::quant {

/// What a layer's filters multiply at some places of each image of `x` (the layer's input, [image, channel,
/// row, column], or flat where linear): [patch, inputs], with groups [group, patch, inputs]. `per_image`
/// places per image, spread over it, others in every image; padding is 0. A linear layer has one patch per
/// image.
at::Tensor input_patches(const host::Layer& layer, const at::Tensor& x, std::int64_t per_image);

}  // namespace bitloop::quant
