#include "quant/training/float_network.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "host/base/error.h"
#include "quant/model/geometry.h"
#include "quant/tensor/order.h"
#include "quant/tensor/window.h"
#include "quant/training/function.h"
#include "quant/training/normalization.h"

namespace bitloop::quant {

std::vector<at::Tensor> FloatLayer::tensors() const {
  std::vector<at::Tensor> defined;
  for (const at::Tensor& tensor : {weight, bias, gain, shift, mean, variance})
    if (tensor.defined()) defined.push_back(tensor);
  return defined;
}

std::vector<std::int64_t> weight_sizes(const host::Network& network, const host::Layer& layer) {
  const std::int64_t filters = network.output_shape(layer).channels;
  if (layer.kind == host::LayerKind::linear) return {filters, network.input_shape(layer).elements()};
  return {filters, network.filter_channels(layer), layer.kernel_height, layer.kernel_width};
}

std::vector<FloatLayer> float_layers(const FloatNetwork& model) {
  const auto layers = model.network.weight_layers();
  if (layers.size() != model.parameters.size())
    throw InputError(fmt::format("{} has {} layers with weights but parameters of {}: write the model again",
                                 model.network.name, layers.size(), model.parameters.size()));
  std::vector<FloatLayer> result;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const host::Layer& layer = *layers[i];
    const auto tensor = [&](const std::vector<float>& values, at::IntArrayRef sizes) {
      if (static_cast<std::int64_t>(values.size()) != c10::multiply_integers(sizes))
        throw InputError(fmt::format("{}: layer {} has {} parameters where {} belong: write the model again",
                                     model.network.name, layer.name, values.size(),
                                     c10::multiply_integers(sizes)));
      return at::tensor(values).view(sizes);
    };
    const LayerParameters& from = model.parameters[i];
    const std::vector<std::int64_t> sizes = weight_sizes(model.network, layer);
    const at::IntArrayRef filters = at::IntArrayRef(sizes).slice(0, 1);
    FloatLayer& to = result.emplace_back();
    to.weight = tensor(from.weight, sizes);
    if (!from.weight_scale.empty()) to.weight_scale = tensor(from.weight_scale, filters);
    if (!layer.batch_norm) {
      to.bias = tensor(from.bias, filters);
      continue;
    }
    to.gain = tensor(from.gain, filters);
    to.shift = tensor(from.shift, filters);
    to.mean = tensor(from.mean, filters);
    to.variance = tensor(from.variance, filters);
  }
  return result;
}

std::vector<FloatLayer> on_device(const std::vector<FloatLayer>& layers, const at::Device& device) {
  std::vector<FloatLayer> copies = layers;
  for (FloatLayer& layer : copies)
    for (at::Tensor* tensor : {&layer.weight, &layer.bias, &layer.gain, &layer.shift, &layer.mean,
                               &layer.variance, &layer.weight_scale})
      if (tensor->defined()) *tensor = tensor->detach().to(device).clone();
  return copies;
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

at::Tensor channels_last(const at::Tensor& images) {
  return at::empty(images.sizes(), images.options(), at::MemoryFormat::ChannelsLast).copy_(images);
}

namespace {

at::Tensor weighted_sums(const host::Layer& layer, const FloatLayer& p, const at::Tensor& x) {
  if (layer.kind == host::LayerKind::linear) return at::linear(x.flatten(1), p.weight, p.bias);
  const bool even = pads_evenly(layer.pad);
  const at::Tensor in = even ? x : padded(x, layer.pad);
  return at::conv2d(in, p.weight, p.bias, sides(layer.stride), own_padding(layer.pad, even),
                    sides(layer.dilation), in.size(1) / p.weight.size(1));
}

at::Tensor pooled(const host::Layer& layer, const at::Tensor& x) {
  const host::Window window = layer.window();
  const bool is_max = layer.kind == host::LayerKind::max_pool;
  const bool by_libtorch = pools_padded(window);
  const at::Tensor in =
      by_libtorch ? x : padded(x, layer.pad, is_max ? -std::numeric_limits<double>::infinity() : 0);
  const TwoSides pad = own_padding(layer.pad, by_libtorch);
  if (is_max) return at::max_pool2d(in, kernel_of(window), sides(layer.stride), pad, sides(layer.dilation));
  const at::Tensor mean = at::avg_pool2d(in, kernel_of(window), sides(layer.stride), pad);
  return layer.uncounted.any() ? mean * (window.taps() / counted_taps(layer, x)) : mean;
}

at::Tensor without_weights(const host::Layer& layer, const std::vector<at::Tensor>& x) {
  switch (layer.kind) {
    case host::LayerKind::add:
      return x.at(0) + x.at(1);
    case host::LayerKind::product:
      return x.at(0) * x.at(1);
    case host::LayerKind::function:
      return function_of(host::Function(layer.function), x.at(0));
    case host::LayerKind::concat:
      return at::cat(x, 1);
    case host::LayerKind::interleave:
      return interleaved(x, layer.stride);
    case host::LayerKind::upsample:
      return at::upsample_nearest2d(x.at(0),
                                    {x.at(0).size(2) * layer.stride.y, x.at(0).size(3) * layer.stride.x});
    case host::LayerKind::select:
      return selected_channels(x.at(0), layer.channels);
    default:
      return pooled(layer, x.at(0));
  }
}

/// Per tensor the last layer that reads it; results and unread tensors: none.
std::vector<const host::Layer*> last_readers(const host::Network& network) {
  std::vector<const host::Layer*> readers(network.tensors.size(), nullptr);
  for (const host::Layer& layer : network.layers)
    for (const int input : layer.inputs) readers.at(input) = &layer;
  return readers;
}

}  // namespace

FloatPass float_forward(const host::Network& network, const std::vector<FloatLayer>& layers,
                        const at::Tensor& input, bool training, Keep keep, const ReadAs& read_as) {
  FloatPass pass;
  pass.tensors.resize(network.tensors.size());
  pass.reads.resize(network.tensors.size());
  pass.tensors.at(network.input) = limited(network.tensors.at(network.input).limits, input);
  const auto readers = last_readers(network);
  std::size_t weight_index = 0;
  const auto read = [&](int tensor, const at::Tensor& x) {
    const auto read_once = [&] {
      return read_as ? read_as(tensor, x) : limited(network.tensors.at(tensor).narrow_limits, x);
    };
    if (keep == Keep::results) return read_once();
    at::Tensor& kept = pass.reads.at(tensor);
    if (!kept.defined()) kept = at::alias(read_once());
    return kept;
  };
  const auto weight_layer = [&](const host::Layer& layer, const at::Tensor& x) {
    const FloatLayer& p = layers.at(weight_index++);
    const at::Tensor sums = weighted_sums(layer, p, read(layer.input(), x));
    if (keep == Keep::everything) pass.sums.push_back(sums);
    return layer.batch_norm ? normalized_and_activated(layer, p, sums, training) : activated(layer, sums);
  };
  for (const host::Layer& layer : network.layers) {
    std::vector<at::Tensor> x;
    for (const int tensor : layer.inputs) x.push_back(pass.tensors.at(tensor));
    const at::Tensor free =
        layer.has_weights() ? weight_layer(layer, x.front()) : activated(layer, without_weights(layer, x));
    const at::Tensor y = limited(network.tensors.at(layer.output).limits, free);
    const host::Shape& shape = network.output_shape(layer);
    pass.tensors.at(layer.output) =
        y.dim() == 4 ? y : y.view({y.size(0), shape.channels, shape.height, shape.width});
    if (keep == Keep::results)
      for (const int tensor : layer.inputs)
        if (readers.at(tensor) == &layer) pass.tensors.at(tensor).reset();
  }
  return pass;
}

std::int64_t pass_batch(const host::Network& network) {
  constexpr std::int64_t kLargestBatch = 100;
  constexpr std::int64_t kBatchElements = 1 << 25;  // of all tensors of a batch: 128 MiB
  std::int64_t elements = 0;
  for (const host::Tensor& tensor : network.tensors) elements += 2 * tensor.shape.elements();
  return std::clamp<std::int64_t>(kBatchElements / std::max<std::int64_t>(1, elements), 1, kLargestBatch);
}

namespace {

bool has_adds(const host::Network& network) {
  return std::ranges::any_of(network.layers,
                             [](const host::Layer& layer) { return layer.kind == host::LayerKind::add; });
}

}  // namespace

std::vector<FloatLayer> start_layers(const host::Network& network, std::uint64_t seed) {
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  const bool residual = has_adds(network);
  std::vector<FloatLayer> layers;
  for (const host::Layer* layer : network.weight_layers()) {
    FloatLayer& p = layers.emplace_back();
    p.weight = at::empty(weight_sizes(network, *layer));
    const std::int64_t filters = p.weight.size(0);
    const double inputs = static_cast<double>(p.weight.numel() / filters);
    if (residual && layer->kind != host::LayerKind::linear)
      p.weight.normal_(0, std::sqrt(2 / inputs), generator);
    else
      p.weight.uniform_(-1 / std::sqrt(inputs), 1 / std::sqrt(inputs), generator);
    if (layer->batch_norm) {
      p.gain = at::ones(filters);
      p.shift = at::zeros(filters);
      p.mean = at::zeros(filters);
      p.variance = at::ones(filters);
    } else {
      p.bias = at::zeros(filters);
    }
  }
  return layers;
}

}  // namespace bitloop::quant
