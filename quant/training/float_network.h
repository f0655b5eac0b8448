#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>
#include <vector>

#include "quant/evaluation.h"

namespace bitloop::quant {

/// Parameters of one weight layer. With batch norm: gain, shift, mean, variance; without: bias.
struct FloatLayer {
  at::Tensor weight;  ///< [filter, channel, row, column], or [filter, input] where linear
  at::Tensor bias;
  at::Tensor gain, shift, mean, variance;

  /// Those that are defined, in the order of a checkpoint's payload.
  [[nodiscard]] std::vector<at::Tensor> tensors() const;
};

struct FloatCheckpoint::Impl {
  host::Network network;
  std::string split_hash;
  FloatTraining options;
  std::vector<float> mean, deviation;  ///< per channel of the image, of pixel/255
  std::vector<FloatLayer> layers;      ///< per weight layer, in execution order
};

/// Pixel code that stands for 0 after normalization, per channel: what the hardware pads the image with.
std::vector<std::uint8_t> zero_pixels(std::span<const float> mean);

/// HWC bytes of `count` images as a [count, channel, row, column] byte tensor (copied).
at::Tensor pixel_tensor(const host::Shape& shape, std::span<const std::uint8_t> pixels);

/// Pixel codes to network input: (code / 255 - mean) / deviation. What the hardware pads with, the zero pixel,
/// is the nearest code to 0: (zero pixel / 255 - mean) / deviation remains.
at::Tensor normalize(const at::Tensor& pixels, std::span<const float> mean, std::span<const float> deviation);

/// What a forward pass leaves: the tensors, and before normalization and activation each weight layer's
/// result.
struct FloatPass {
  std::vector<at::Tensor> tensors;  ///< index as in Network::tensors
  std::vector<at::Tensor> sums;     ///< per weight layer: product of weights and input, plus the bias
};

/// In training the layers' batch-norm statistics are updated.
FloatPass float_forward(const host::Network& network, const std::vector<FloatLayer>& layers,
                        const at::Tensor& input, bool training);

}  // namespace bitloop::quant
