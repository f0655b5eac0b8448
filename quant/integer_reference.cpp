#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "host/error.h"
#include "quant/evaluation.h"
#include "quant/training/float_network.h"
#include "quant/order.h"
#include "quant/plan.h"
#include "quant/pooling.h"
#include "quant/threads.h"

namespace bitloop::quant {
namespace {

constexpr std::int64_t kLargestBatch = 50;          // activations of one batch stay in the second-level cache
constexpr std::int64_t kBatchElements = 1LL << 24;  // of all tensors of a batch: 64 MiB

using host::LayerKind;

/// y = clamp(floor(d * scale + offset) + zero, low, high) in double. Double holds d*M + B exactly (51 bits),
/// and so its quotient by a power of two: this is the integer formula.
struct Affine {
  at::Tensor scale;   ///< M / 2^s, [1, filter or 1, 1, 1]
  at::Tensor offset;  ///< B / 2^s
};

Affine affine_of(std::span<const host::Requantization> requantization) {
  std::vector<double> scale, offset;
  for (const host::Requantization& r : requantization) {
    scale.push_back(std::ldexp(static_cast<double>(r.multiplier), -r.shift));
    offset.push_back(std::ldexp(static_cast<double>(r.bias), -r.shift));
  }
  const auto column = [](const std::vector<double>& t) {
    return at::tensor(t, at::kDouble).view({1, -1, 1, 1});
  };
  return {column(scale), column(offset)};
}

at::Tensor clamped(at::Tensor exact, const host::OutputRange& range) {
  return exact.floor_().add_(range.zero).clamp_(range.low, range.high);
}

/// A layer's integers as tensors. Sums are exact: in float while they stay below 2^24, else in double.
struct ExactLayer {
  at::Tensor values;               ///< of the weights: alpha * code - beta
  at::Tensor pad;                  ///< [1, channel, 1, 1]; subtracted first, so that padding is 0
  at::Tensor constant;             ///< [1, filter, 1, 1], sum of values times pad: added back
  Affine affine;                   ///< of an add: one element per operand
  std::optional<Affine> negative;  ///< leaky ReLU
  host::OutputRange range;
};

/// Largest |sum| over the filters, whatever the activations.
double largest_sum(const at::Tensor& values, const at::Tensor& pad_per_input, int input_bits) {
  const at::Tensor reach = at::maximum(pad_per_input, (std::ldexp(1.0, input_bits) - 1) - pad_per_input);
  return values.abs().mul(reach).flatten(1).sum(1).max().item<double>();
}

at::Tensor pad_codes(const host::QuantizedLayer& integers, std::int64_t channels) {
  at::Tensor pad = at::zeros({1, channels, 1, 1}, at::kDouble);
  for (std::size_t c = 0; c < integers.pad_codes.size(); ++c)
    pad[0][static_cast<std::int64_t>(c)] = integers.pad_codes[c];
  return pad;
}

void set_weights(ExactLayer& exact, const host::Network& network, const host::Layer& layer,
                 const host::QuantizedLayer& integers, int input_bits) {
  const std::int64_t channels = network.input_shape(layer).channels;
  const std::int64_t filters = network.output_shape(layer).channels;
  const host::Window window = host::layer_window(network, layer);
  const auto [alpha, beta] = host::weight_code(integers.weight_bits);
  const bool depthwise = layer.kind == LayerKind::depthwise;
  const at::Tensor values =
      at::tensor(std::vector<double>(integers.weights.begin(), integers.weights.end()), at::kDouble)
          .mul_(alpha)
          .sub_(beta)
          .view({filters, depthwise ? 1 : channels, window.height, window.width});
  const at::Tensor pad = pad_codes(integers, channels);
  const at::Tensor pad_per_input = depthwise ? pad.transpose(0, 1) : pad;
  exact.constant = (values * pad_per_input).flatten(1).sum(1).view({1, -1, 1, 1});
  const bool fits = largest_sum(values, pad_per_input, input_bits) < std::ldexp(1.0, 24);
  const at::ScalarType type = fits ? at::kFloat : at::kDouble;
  exact.values = (layer.kind == LayerKind::linear ? values.flatten(1) : values).to(type).contiguous();
  exact.pad = pad.to(type);
}

ExactLayer exact_layer(const host::Network& network, const host::Layer& layer,
                       const host::QuantizedLayer& integers, const host::TensorBits& bits) {
  ExactLayer exact;
  if (layer.keeps_codes()) return exact;
  if (layer.has_weights()) set_weights(exact, network, layer, integers, bits.read(layer.input()));
  if (layer.kind == LayerKind::average_pool) {
    const double taps = static_cast<double>(layer.kernel_height) * layer.kernel_width;
    const bool fits = 255 * taps < std::ldexp(1.0, 24);
    exact.pad = pad_codes(integers, network.input_shape(layer).channels).to(fits ? at::kFloat : at::kDouble);
    exact.constant = exact.pad.to(at::kDouble) * taps;
  }
  std::vector<host::Requantization> requantization = integers.requantization;
  if (layer.kind == LayerKind::add) requantization.at(1).shift = requantization.at(0).shift;
  exact.affine = affine_of(requantization);
  if (!integers.negative.empty()) exact.negative = affine_of(integers.negative);
  exact.range = integers.range;
  return exact;
}

/// Sums of the windows less `constant`, integers in float or double.
at::Tensor window_sums(const host::Layer& layer, const ExactLayer& exact, const at::Tensor& codes) {
  at::Tensor x = codes.to(exact.pad.scalar_type()).sub(exact.pad);
  if (layer.kind == LayerKind::linear)
    return at::linear(x.flatten(1), exact.values).unsqueeze(2).unsqueeze(3);
  std::int64_t pad = layer.pad;
  if (layer.padding_end() != layer.pad || layer.kind == LayerKind::average_pool) {
    const std::int64_t end = layer.padding_end();
    if (pad != 0 || end != 0) x = at::constant_pad_nd(x, {pad, end, pad, end});
    pad = 0;
  }
  if (layer.kind == LayerKind::average_pool)
    return at::avg_pool2d(x, {layer.kernel_height, layer.kernel_width}, layer.stride, 0, false, true,
                          /*divisor_override=*/1);
  const std::int64_t groups = layer.kind == LayerKind::depthwise ? x.size(1) : 1;
  return at::conv2d(x, exact.values, {}, layer.stride, pad, 1, groups);
}

at::Tensor requantize(const ExactLayer& exact, const at::Tensor& d) {
  at::Tensor sums = d.to(at::kDouble).add_(exact.constant);
  if (!exact.negative) return clamped(sums.mul_(exact.affine.scale).add_(exact.affine.offset), exact.range);
  const at::Tensor first = (sums * exact.affine.scale).add_(exact.affine.offset);
  const at::Tensor second = sums.mul_(exact.negative->scale).add_(exact.negative->offset);
  // The offset holds the rounding 1/2: below it, the result itself is negative.
  return clamped(at::where(first < 0.5, second, first), exact.range);
}

at::Tensor add(const ExactLayer& exact, const at::Tensor& x1, const at::Tensor& x2) {
  const at::Tensor scales = exact.affine.scale.flatten();
  const at::Tensor offset = exact.affine.offset.flatten()[0];
  return clamped((x1.to(at::kDouble) * scales[0]).addcmul_(x2.to(at::kDouble), scales[1]).add_(offset),
                 exact.range);
}

at::Tensor upsample(const at::Tensor& x, std::int64_t factor) {
  const std::int64_t rows = x.size(2), columns = x.size(3);
  return x.unsqueeze(4)
      .unsqueeze(3)
      .expand({-1, -1, -1, factor, -1, factor})
      .reshape({x.size(0), x.size(1), rows * factor, columns * factor});
}

/// Code tensors of a batch, index as in Network::tensors: float where codes are narrow, double for 32 bits.
struct BatchCodes {
  std::vector<at::Tensor> written;
  std::vector<at::Tensor> narrow;  ///< undefined where there is none
};

/// One image of a batch; an undefined tensor has no codes.
host::CodeTensor image_codes(const at::Tensor& batch, std::int64_t image, const host::Shape& shape,
                             int bits) {
  if (!batch.defined()) return {};
  const auto* data = batch.data_ptr<std::int32_t>() + image * shape.elements();
  return {shape, bits, {data, data + shape.elements()}};
}

}  // namespace

struct IntegerReference::Impl {
  host::QuantizedNetwork network;
  std::vector<ExactLayer> layers;  ///< per layer of the network
  std::int64_t batch = kLargestBatch;

  [[nodiscard]] BatchCodes forward(const at::Tensor& pixels, const std::vector<Step>& steps) const {
    const host::Network& graph = network.network;
    BatchCodes codes{std::vector<at::Tensor>(graph.tensors.size()),
                     std::vector<at::Tensor>(graph.tensors.size())};
    put(codes, graph.input, pixels.to(at::kFloat));
    for (const Step& step : steps) put(codes, step.output, result(step, codes));
    return codes;
  }

  [[nodiscard]] const host::Shape& image_shape() const {
    return network.network.tensors.at(network.network.input).shape;
  }

 private:
  /// The form of an input that a layer reads: of a tensor that has two, layers with weights read the narrow
  /// one, layers that keep codes the one of their output's width.
  [[nodiscard]] const at::Tensor& form(const host::Layer& layer, int input, const BatchCodes& codes) const {
    const host::TensorBits& bits = network.bits;
    const bool narrow = layer.keeps_codes() ? bits.written.at(input) != bits.written.at(layer.output)
                                            : layer.has_weights() && bits.narrow.at(input) != 0;
    return narrow ? codes.narrow.at(input) : codes.written.at(input);
  }

  [[nodiscard]] at::Tensor result(const Step& step, const BatchCodes& codes) const {
    const host::Layer& layer = step.layer != nullptr ? *step.layer : *step.pool;
    const ExactLayer& exact = layers.at(step.index);
    const auto read = [&](int input) { return form(layer, layer.inputs.at(input), codes); };
    switch (layer.kind) {
      case LayerKind::max_pool:
        return max_pool(layer, read(0));
      case LayerKind::add:
        return add(exact, read(0), read(1));
      case LayerKind::upsample:
        return upsample(read(0), layer.stride);
      case LayerKind::concat: {
        std::vector<at::Tensor> parts;
        for (const int input : layer.inputs) parts.push_back(form(layer, input, codes));
        return at::cat(parts, 1);
      }
      default: {
        const at::Tensor sums = window_sums(layer, exact, read(0));
        return requantize(exact, step.pool != nullptr ? max_pool(*step.pool, sums) : sums);
      }
    }
  }

  void put(BatchCodes& codes, int tensor, const at::Tensor& values) const {
    const host::Shape& shape = network.network.tensors.at(tensor).shape;
    at::Tensor& written = codes.written.at(tensor);
    written = values.view({values.size(0), shape.channels, shape.height, shape.width});
    if (network.bits.written.at(tensor) > 8) return;
    written = written.to(at::kFloat);
    if (network.bits.narrow.at(tensor) == 0) return;
    const host::Narrowing& narrowing = network.narrowing.at(tensor);
    const Affine affine = affine_of(std::span(&narrowing.requantization, 1));
    codes.narrow.at(tensor) =
        clamped(written.to(at::kDouble).mul_(affine.scale).add_(affine.offset), narrowing.range)
            .to(at::kFloat);
  }
};

IntegerReference::IntegerReference(const host::QuantizedNetwork& network) {
  const TorchThreads threads(1);
  auto impl = std::make_unique<Impl>(Impl{network, {}});
  const host::Network& graph = impl->network.network;
  if (graph.layers.size() != network.layers.size() || graph.tensors.size() != network.narrowing.size() ||
      graph.tensors.size() != network.bits.written.size() ||
      graph.tensors.size() != network.bits.narrow.size())
    throw InputError(fmt::format(
        "{} has {} layers and {} tensors but integers for {} and {}: quantize it again", graph.name,
        graph.layers.size(), graph.tensors.size(), network.layers.size(), network.narrowing.size()));
  for (std::size_t i = 0; i < graph.layers.size(); ++i)
    impl->layers.push_back(exact_layer(graph, graph.layers[i], network.layers[i], network.bits));
  std::int64_t elements = 1;
  for (const host::Tensor& tensor : graph.tensors) elements += tensor.shape.elements();
  impl->batch = std::clamp<std::int64_t>(kBatchElements / elements, 1, kLargestBatch);
  impl_ = std::move(impl);
}

IntegerReference::~IntegerReference() = default;

std::vector<host::TensorCodes> IntegerReference::run(std::span<const std::uint8_t> images) const {
  const c10::InferenceMode inference;
  const TorchThreads threads(1);
  const host::Network& network = impl_->network.network;
  const host::TensorBits& bits = impl_->network.bits;
  const at::Tensor pixels = pixel_tensor(impl_->image_shape(), images);
  const auto steps = plan(network, /*fuse_pools=*/false);
  std::vector<host::TensorCodes> results;
  for (std::int64_t first = 0; first < pixels.size(0); first += impl_->batch) {
    const std::int64_t count = std::min(impl_->batch, pixels.size(0) - first);
    BatchCodes codes = impl_->forward(pixels.narrow(0, first, count), steps);
    for (auto* form : {&codes.written, &codes.narrow})
      for (at::Tensor& tensor : *form)
        if (tensor.defined()) tensor = tensor.to(at::kInt).contiguous();
    for (std::int64_t image = 0; image < count; ++image) {
      host::TensorCodes& result = results.emplace_back();
      for (std::size_t t = 0; t < network.tensors.size(); ++t) {
        const host::Shape& shape = network.tensors[t].shape;
        result.written.push_back(image_codes(codes.written[t], image, shape, bits.written[t]));
        result.narrow.push_back(image_codes(codes.narrow[t], image, shape, bits.narrow[t]));
      }
    }
  }
  return results;
}

Accuracy IntegerReference::accuracy(const Split& split, double output_scale) const {
  const c10::InferenceMode inference;
  const TorchThreads threads(1);
  const host::Network& network = impl_->network.network;
  const at::Tensor pixels = pixel_tensor(impl_->image_shape(), split.pixels);
  const at::Tensor labels = label_tensor(split.labels);
  const auto steps = plan(network, /*fuse_pools=*/true);
  std::int64_t right = 0;
  double loss = 0;
  for (std::int64_t first = 0; first < pixels.size(0); first += impl_->batch) {
    const std::int64_t count = std::min(impl_->batch, pixels.size(0) - first);
    const BatchCodes all = impl_->forward(pixels.narrow(0, first, count), steps);
    const at::Tensor codes = all.written.at(network.output()).flatten(1);
    const at::Tensor truth = labels.narrow(0, first, count);
    right += codes.argmax(1).eq(truth).sum().item<std::int64_t>();
    loss += at::cross_entropy_loss(codes.mul(output_scale), truth, {}, at::Reduction::Sum).item<double>();
  }
  const double images = static_cast<double>(split.size());
  return {static_cast<double>(right) / images, loss / images, split.size()};
}

}  // namespace bitloop::quant
