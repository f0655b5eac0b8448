#include "quant/training/float_network.h"

#include <cmath>
#include <limits>

namespace bitloop::quant {

std::vector<at::Tensor> FloatLayer::tensors() const {
  std::vector<at::Tensor> defined;
  for (const at::Tensor& tensor : {weight, bias, gain, shift, mean, variance})
    if (tensor.defined()) defined.push_back(tensor);
  return defined;
}

std::vector<std::uint8_t> zero_pixels(std::span<const float> mean) {
  std::vector<std::uint8_t> codes;
  for (const float value : mean) codes.push_back(static_cast<std::uint8_t>(std::floor(255.0 * value + 0.5)));
  return codes;
}

at::Tensor pixel_tensor(const host::Shape& shape, std::span<const std::uint8_t> pixels) {
  const std::int64_t count = static_cast<std::int64_t>(pixels.size()) / shape.elements();
  auto* data = const_cast<std::uint8_t*>(pixels.data());  // from_blob takes no const; the clone only reads
  return at::from_blob(data, {count, shape.height, shape.width, shape.channels}, at::kByte)
      .permute({0, 3, 1, 2})
      .clone(at::MemoryFormat::Contiguous);
}

at::Tensor normalize(const at::Tensor& pixels, std::span<const float> mean,
                     std::span<const float> deviation) {
  std::vector<float> zero, scale;
  for (std::size_t c = 0; c < mean.size(); ++c) {
    zero.push_back(255.0F * mean[c]);
    scale.push_back(1.0F / (255.0F * deviation[c]));
  }
  const auto per_channel = [&](const std::vector<float>& values) {
    return at::tensor(values).view({1, -1, 1, 1}).to(pixels.device());
  };
  return pixels.to(at::kFloat).sub_(per_channel(zero)).mul_(per_channel(scale));
}

namespace {

at::Tensor activated(const host::Layer& layer, const at::Tensor& x) {
  switch (layer.activation) {
    case host::Activation::relu:
      return x.relu();
    case host::Activation::relu6:
      return x.clamp(0, 6);
    case host::Activation::leaky_relu:
      return at::leaky_relu(x, layer.negative_slope);
    default:
      return x;
  }
}

/// Padded by `value` where LibTorch's own symmetric padding would not do; `pad` is what is left to it.
at::Tensor padded(const host::Layer& layer, const at::Tensor& x, double value, std::int64_t& pad) {
  const std::int64_t begin = layer.pad, end = layer.padding_end();
  pad = begin == end ? begin : 0;
  return begin == end ? x : at::constant_pad_nd(x, {begin, end, begin, end}, value);
}

at::Tensor weighted_sums(const host::Layer& layer, const FloatLayer& p, const at::Tensor& x) {
  if (layer.kind == host::LayerKind::linear) return at::linear(x.flatten(1), p.weight, p.bias);
  std::int64_t pad = 0;
  const at::Tensor in = padded(layer, x, 0, pad);
  const std::int64_t groups = layer.kind == host::LayerKind::depthwise ? in.size(1) : 1;
  return at::conv2d(in, p.weight, p.bias, layer.stride, pad, 1, groups);
}

at::Tensor pooled(const host::Layer& layer, const at::Tensor& x) {
  std::int64_t pad = 0;
  const at::IntArrayRef kernel{layer.kernel_height, layer.kernel_width};
  if (layer.kind == host::LayerKind::max_pool) {
    const at::Tensor in = padded(layer, x, -std::numeric_limits<double>::infinity(), pad);
    return at::max_pool2d(in, kernel, layer.stride, pad);
  }
  const at::Tensor in = padded(layer, x, 0, pad);
  return at::avg_pool2d(in, kernel, layer.stride, pad);
}

}  // namespace

FloatPass float_forward(const host::Network& network, const std::vector<FloatLayer>& layers,
                        const at::Tensor& input, bool training) {
  FloatPass pass;
  pass.tensors.resize(network.tensors.size());
  pass.tensors.at(network.input) = input;
  std::size_t weight_index = 0;
  const auto weight_layer = [&](const host::Layer& layer, const at::Tensor& x) {
    const FloatLayer& p = layers.at(weight_index++);
    at::Tensor sum = weighted_sums(layer, p, x);
    pass.sums.push_back(sum);
    if (layer.batch_norm)
      sum = at::batch_norm(sum, p.gain, p.shift, p.mean, p.variance, training, /*momentum=*/0.1,
                           kBatchNormEpsilon, /*cudnn_enabled=*/false);
    return sum;
  };
  for (const host::Layer& layer : network.layers) {
    const auto x = [&](std::size_t i) { return pass.tensors.at(layer.inputs.at(i)); };
    at::Tensor y;
    switch (layer.kind) {
      case host::LayerKind::max_pool:
      case host::LayerKind::average_pool:
        y = pooled(layer, x(0));
        break;
      case host::LayerKind::add:
        y = x(0) + x(1);
        break;
      case host::LayerKind::concat: {
        std::vector<at::Tensor> parts;
        for (std::size_t i = 0; i < layer.inputs.size(); ++i) parts.push_back(x(i));
        y = at::cat(parts, 1);
        break;
      }
      case host::LayerKind::upsample:
        y = at::upsample_nearest2d(x(0), {x(0).size(2) * layer.stride, x(0).size(3) * layer.stride});
        break;
      default:
        y = weight_layer(layer, x(0));
    }
    const host::Shape& shape = network.output_shape(layer);
    pass.tensors.at(layer.output) =
        activated(layer, y).view({y.size(0), shape.channels, shape.height, shape.width});
  }
  return pass;
}

}  // namespace bitloop::quant
