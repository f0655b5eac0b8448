#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>

#include "host/error.h"
#include "quant/evaluation.h"
#include "quant/float_network.h"
#include "quant/order.h"
#include "quant/plan.h"
#include "quant/pooling.h"
#include "quant/threads.h"

namespace bitloop::quant {
namespace {

constexpr std::int64_t kBatch = 50;  // activations of one batch stay in the second-level cache

/// A weight layer's integers as tensors. Sums are exact: in float while they stay below 2^24, else in double.
struct ExactLayer {
  at::Tensor values;    ///< alpha * code - beta
  at::Tensor pad;       ///< [1, channel, 1, 1]; subtracted first, so that padding is 0
  at::Tensor constant;  ///< per filter, sum of values times pad: added back
  at::Tensor scale;     ///< M / 2^s
  at::Tensor offset;    ///< B / 2^s, with `constant` in it
  host::OutputRange range;
};

/// Largest |sum| over the filters, whatever the activations.
double largest_sum(const at::Tensor& values, const at::Tensor& pad_per_input, int input_bits) {
  const at::Tensor reach = at::maximum(pad_per_input, (std::ldexp(1.0, input_bits) - 1) - pad_per_input);
  return values.abs().mul(reach).flatten(1).sum(1).max().item<double>();
}

ExactLayer exact_layer(const host::Network& network, const host::Layer& layer,
                       const host::QuantizedLayer& integers, int input_bits) {
  const host::Shape& in = network.input_shape(layer);
  const std::int64_t filters = network.output_shape(layer).channels;
  const auto [alpha, beta] = host::weight_code(integers.weight_bits);
  const bool conv = layer.kind == host::LayerKind::conv;
  const std::int64_t rows = conv ? layer.kernel_height : in.height;
  const std::int64_t columns = conv ? layer.kernel_width : in.width;
  at::Tensor values =
      at::tensor(std::vector<double>(integers.weights.begin(), integers.weights.end()), at::kDouble)
          .mul_(alpha)
          .sub_(beta)
          .view({filters, in.channels, rows, columns});
  at::Tensor pad = at::zeros({1, in.channels, 1, 1}, at::kDouble);
  for (std::size_t c = 0; c < integers.pad_codes.size(); ++c)
    pad[0][static_cast<std::int64_t>(c)] = integers.pad_codes[c];

  std::vector<double> scale, offset;
  for (const host::Requantization& r : integers.requantization) {
    scale.push_back(std::ldexp(static_cast<double>(r.multiplier), -r.shift));
    offset.push_back(std::ldexp(static_cast<double>(r.bias), -r.shift));
  }
  ExactLayer exact;
  exact.constant = (values * pad).flatten(1).sum(1);
  exact.scale = at::tensor(scale, at::kDouble);
  exact.offset = at::tensor(offset, at::kDouble);
  exact.range = integers.range;
  const bool fits = largest_sum(values, pad, input_bits) < std::ldexp(1.0, 24);
  const at::ScalarType type = fits ? at::kFloat : at::kDouble;
  exact.values = (conv ? values : values.flatten(1)).to(type).contiguous();
  exact.pad = pad.to(type);
  return exact;
}

/// Dot products less `constant`, integers in float or double.
at::Tensor dot(const host::Layer& layer, const ExactLayer& exact, const at::Tensor& codes) {
  const at::Tensor x = codes.to(exact.values.scalar_type()).sub(exact.pad);
  if (layer.kind == host::LayerKind::conv) return at::conv2d(x, exact.values, {}, layer.stride, layer.pad);
  return at::linear(x.flatten(1), exact.values).unsqueeze(2).unsqueeze(3);
}

/// Double holds d*M + B exactly (51 bits), and so its quotient by a power of two: this is the integer
/// formula.
at::Tensor requantize(const ExactLayer& exact, const at::Tensor& d) {
  const auto column = [](const at::Tensor& t) { return t.view({1, -1, 1, 1}); };
  return d.to(at::kDouble)
      .add_(column(exact.constant))
      .mul_(column(exact.scale))
      .add_(column(exact.offset))
      .floor_()
      .add_(exact.range.zero)
      .clamp_(exact.range.low, exact.range.high);
}

}  // namespace

struct IntegerReference::Impl {
  host::QuantizedNetwork network;
  std::vector<ExactLayer> layers;

  /// Code tensors of a batch: float where codes are narrow, double for the 32-bit result.
  [[nodiscard]] std::vector<at::Tensor> forward(const at::Tensor& pixels,
                                                const std::vector<Step>& steps) const {
    std::vector<at::Tensor> tensors(network.network.tensors.size());
    tensors.at(network.network.input) = pixels.to(at::kFloat);
    for (const Step& step : steps) {
      at::Tensor x = tensors.at(step.input);
      if (step.layer != nullptr) {
        const ExactLayer& exact = layers.at(step.weight_layer);
        x = dot(*step.layer, exact, x);
        if (step.pool != nullptr) x = max_pool(*step.pool, x);
        x = requantize(exact, x);
        if (network.tensor_bits.at(step.output) <= 8) x = x.to(at::kFloat);
      } else {
        x = max_pool(*step.pool, x);
      }
      const host::Shape& shape = network.network.tensors.at(step.output).shape;
      tensors.at(step.output) = x.view({x.size(0), shape.channels, shape.height, shape.width});
    }
    return tensors;
  }

  [[nodiscard]] const host::Shape& image_shape() const {
    return network.network.tensors.at(network.network.input).shape;
  }
};

IntegerReference::IntegerReference(const host::QuantizedNetwork& network) {
  const TorchThreads threads(1);
  auto impl = std::make_unique<Impl>(Impl{network, {}});
  const auto weight_layers = impl->network.network.weight_layers();
  if (weight_layers.size() != network.layers.size())
    throw InputError(fmt::format("{} has {} weight layers but integers for {}: quantize it again",
                                 network.network.name, weight_layers.size(), network.layers.size()));
  for (std::size_t i = 0; i < weight_layers.size(); ++i)
    impl->layers.push_back(exact_layer(impl->network.network, *weight_layers[i], network.layers[i],
                                       network.tensor_bits.at(weight_layers[i]->input)));
  impl_ = std::move(impl);
}

IntegerReference::~IntegerReference() = default;

std::vector<std::vector<host::CodeTensor>> IntegerReference::run(std::span<const std::uint8_t> images) const {
  const c10::InferenceMode inference;
  const TorchThreads threads(1);
  const host::Network& network = impl_->network.network;
  const at::Tensor pixels = pixel_tensor(impl_->image_shape(), images);
  const auto steps = plan(network, /*fuse_pools=*/false);
  std::vector<std::vector<host::CodeTensor>> results;
  for (std::int64_t first = 0; first < pixels.size(0); first += kBatch) {
    const std::int64_t count = std::min(kBatch, pixels.size(0) - first);
    auto tensors = impl_->forward(pixels.narrow(0, first, count), steps);
    for (at::Tensor& tensor : tensors) tensor = tensor.to(at::kInt).contiguous();
    for (std::int64_t image = 0; image < count; ++image) {
      auto& codes = results.emplace_back();
      for (std::size_t t = 0; t < tensors.size(); ++t) {
        const host::Shape& shape = network.tensors[t].shape;
        const auto* data = tensors[t].data_ptr<std::int32_t>() + image * shape.elements();
        codes.push_back({shape, impl_->network.tensor_bits[t], {data, data + shape.elements()}});
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
  for (std::int64_t first = 0; first < pixels.size(0); first += kBatch) {
    const std::int64_t count = std::min(kBatch, pixels.size(0) - first);
    const auto tensors = impl_->forward(pixels.narrow(0, first, count), steps);
    const at::Tensor codes = tensors.at(network.output).flatten(1);
    const at::Tensor truth = labels.narrow(0, first, count);
    right += codes.argmax(1).eq(truth).sum().item<std::int64_t>();
    loss += at::cross_entropy_loss(codes.mul(output_scale), truth, {}, at::Reduction::Sum).item<double>();
  }
  const double images = static_cast<double>(split.size());
  return {static_cast<double>(right) / images, loss / images, split.size()};
}

}  // namespace bitloop::quant
