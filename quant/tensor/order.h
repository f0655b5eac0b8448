#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <random>
#include <span>

namespace bitloop::quant {

/// Numbers 0..count-1 in an order that depends on the generator alone, the same with every standard library.
at::Tensor shuffled_order(std::int64_t count, std::mt19937_64& generator);

/// The same tensor in channels-last memory with the strides of such, also where sizes of 1 leave a choice:
/// LibTorch takes a convolution's memory format from the strides.
at::Tensor in_channels_last(const at::Tensor& x);

/// The channels of [image, channel, row, column] that `channels` names, in that order.
at::Tensor selected_channels(const at::Tensor& x, std::span<const int> channels);
/// Backward: the gradient of an input of so many channels; of those that are not named it is 0.
at::Tensor selected_channels_gradient(const at::Tensor& gradient, std::span<const int> channels,
                                      std::int64_t input_channels);

/// Labels as indices.
at::Tensor label_tensor(std::span<const std::uint16_t> labels);

}  // namespace bitloop::quant
