#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "quant/training/float_checkpoint.h"

namespace bitloop::quant {

/// Parameters of one weight layer. With batch norm: gain, shift, mean, variance; without: bias.
struct FloatLayer {
  at::Tensor weight;  ///< of `weight_sizes`
  at::Tensor bias;
  at::Tensor gain, shift, mean, variance;
  at::Tensor weight_scale;  ///< per filter, as `LayerParameters::weight_scale`; undefined where none is said

  /// Those that are defined, in the order of a checkpoint's payload.
  [[nodiscard]] std::vector<at::Tensor> tensors() const;
};

/// Of a layer's weights: [filter, channel, row, column], or [filter, input] where linear.
std::vector<std::int64_t> weight_sizes(const host::Network& network, const host::Layer& layer);

/// Parameters as tensors of their layers' shapes (copied): on the CPU, in execution order. Throws InputError,
/// naming the layer, where they do not fit the network.
std::vector<FloatLayer> float_layers(const FloatNetwork& model);

/// Detached copies.
std::vector<FloatLayer> on_device(const std::vector<FloatLayer>& layers, const at::Device& device);

struct FloatCheckpoint::Impl {
  host::Network network;
  std::string split_hash;  ///< of the data that it was trained on; empty: unknown, it is bound to none
  FloatTraining options;
  std::vector<float> mean, deviation;  ///< per channel of the image, of pixel/255
  std::vector<FloatLayer> layers;      ///< per weight layer, in execution order
};

/// Pixel code that stands for 0 after normalization, per channel: what the hardware pads the image with.
std::vector<std::uint8_t> zero_pixels(std::span<const float> mean);

/// HWC bytes of `count` images as a [count, channel, row, column] byte tensor (copied).
at::Tensor pixel_tensor(const host::Shape& shape, std::span<const std::uint8_t> pixels);

/// Pixel codes to network input: (code / 255 - mean) / deviation. What the hardware pads with, the zero
/// pixel, is the nearest code to 0: (zero pixel / 255 - mean) / deviation remains.
at::Tensor normalize(const at::Tensor& pixels, std::span<const float> mean, std::span<const float> deviation);

/// A copy whose channels lie side by side in memory: LibTorch's CPU convolutions, depthwise ones above all,
/// are several times faster on such images, and so is all that follows.
at::Tensor channels_last(const at::Tensor& images);

/// What a forward pass leaves: the tensors, and before normalization and activation each weight layer's
/// result.
struct FloatPass {
  std::vector<at::Tensor> tensors;  ///< index as in Network::tensors
  std::vector<at::Tensor> sums;     ///< per weight layer: product of weights and input, plus the bias
  /// Index as in Network::tensors: what all layers with weights read of it, to its narrow limits. One node of
  /// its own, so that a gradient by it is that of these layers and of no other reader. Undefined: none read.
  std::vector<at::Tensor> reads;
};
enum class Keep { everything, results };
/// What layers with weights read of a tensor, instead of the tensor to its narrow limits.
using ReadAs = std::function<at::Tensor(int tensor, const at::Tensor& x)>;

/// In training the layers' batch-norm statistics are updated. Tensors have the memory format of `input`.
/// Keeping only the results frees every other tensor behind its last reader, and gives no sums and reads.
/// `read_as` is asked once per tensor where everything is kept, else once per reader.
FloatPass float_forward(const host::Network& network, const std::vector<FloatLayer>& layers,
                        const at::Tensor& input, bool training, Keep keep = Keep::everything,
                        const ReadAs& read_as = {});

/// Images of a pass that keeps all tensors.
std::int64_t pass_batch(const host::Network& network);

/// Parameters of the right shapes, of the generator alone. Weights are uniform in +-1/sqrt(inputs of a
/// filter), LeNet's usual start; in networks with residual adds, whose gradients have further to go, the
/// convolutions' are normal with variance 2 / inputs (He et al. 2015).
std::vector<FloatLayer> start_layers(const host::Network& network, std::uint64_t seed);

}  // namespace bitloop::quant
