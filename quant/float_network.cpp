#include "quant/float_network.h"

#include <cmath>

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
  const auto codes = zero_pixels(mean);
  std::vector<float> zero(codes.begin(), codes.end());
  std::vector<float> scale;
  for (const float value : deviation) scale.push_back(1.0F / (255.0F * value));
  const auto per_channel = [&](const std::vector<float>& values) {
    return at::tensor(values).view({1, -1, 1, 1}).to(pixels.device());
  };
  return pixels.to(at::kFloat).sub_(per_channel(zero)).mul_(per_channel(scale));
}

FloatPass float_forward(const host::Network& network, const std::vector<FloatLayer>& layers,
                        const at::Tensor& input, bool training) {
  FloatPass pass;
  pass.tensors.resize(network.tensors.size());
  pass.tensors.at(network.input) = input;
  std::size_t weight_index = 0;
  for (const host::Layer& layer : network.layers) {
    const at::Tensor& x = pass.tensors.at(layer.input());
    at::Tensor& y = pass.tensors.at(layer.output);
    if (layer.kind == host::LayerKind::max_pool) {
      y = at::max_pool2d(x, {layer.kernel_height, layer.kernel_width}, layer.stride, layer.pad);
      continue;
    }
    const FloatLayer& p = layers.at(weight_index++);
    at::Tensor sum = layer.kind == host::LayerKind::conv
                         ? at::conv2d(x, p.weight, p.bias, layer.stride, layer.pad)
                         : at::linear(x.flatten(1), p.weight, p.bias);
    pass.sums.push_back(sum);
    if (layer.batch_norm)
      sum = at::batch_norm(sum, p.gain, p.shift, p.mean, p.variance, training, /*momentum=*/0.1,
                           kBatchNormEpsilon,
                           /*cudnn_enabled=*/false);
    if (layer.activation == host::Activation::relu) sum = sum.relu();
    if (layer.activation == host::Activation::relu6) sum = sum.clamp(0, 6);
    const host::Shape& shape = network.output_shape(layer);
    y = sum.view({sum.size(0), shape.channels, shape.height, shape.width});
  }
  return pass;
}

}  // namespace bitloop::quant
