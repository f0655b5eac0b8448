#include "quant/retraining/integers.h"

#include <cmath>
#include <limits>

namespace bitloop::quant {
namespace {

using host::LayerKind;

/// Real value of one step of a 32-bit result. A bound on every result, so that 32 bits cannot overflow; and
/// no multiplier beyond 2^8, which is resolution enough.
double result_scale(const QuantizedGraph& graph, const Step& step, const QuantizedGraph::Weights& weights,
                    const Affine& affine) {
  const double largest_code = std::ldexp(1.0, graph.bits().read(step.input)) - 1;
  const double bound =
      (weights.values.abs().flatten(1).sum(1) * affine.multiplier * largest_code + affine.offset.abs())
          .max()
          .item<double>();
  const double scale =
      std::max(bound / std::ldexp(1.0, 30), affine.multiplier.max().item<double>() / std::ldexp(1.0, 8));
  // A power of two leaves the multipliers' 16 bits as they were in training.
  return std::exp2(std::ceil(std::log2(std::max(scale, 1e-30))));
}

host::OutputRange output_range(const CodeRange& range) {
  return {range.zero, range.low + range.zero, range.high + range.zero};
}

int zero_code(const QuantizedGraph& graph, int tensor, int bits) {
  return code_range(bits, graph.start().network.tensors.at(tensor).is_signed).zero;
}

std::vector<std::uint8_t> pad_codes(const QuantizedGraph& graph, const Step& step, int bits) {
  const host::Network& network = graph.start().network;
  if (step.input == network.input) return graph.start().image_zero;
  const auto zero = static_cast<std::uint8_t>(zero_code(graph, step.input, bits));
  return std::vector<std::uint8_t>(static_cast<std::size_t>(network.tensors.at(step.input).shape.channels),
                                   zero);
}

/// Sum of each filter's values times the zero codes: training subtracts the zero code from every input; the
/// hardware does not, so that its bias does.
at::Tensor zero_sums(const host::Network& network, const host::Layer& layer, const at::Tensor& values,
                     const std::vector<std::uint8_t>& zeros) {
  const std::int64_t groups = network.groups(layer), filters = values.size(0);
  const at::Tensor zero =
      at::tensor(std::vector<double>(zeros.begin(), zeros.end()), at::kDouble).view({groups, 1, -1, 1});
  const at::Tensor wide = values.to(at::kDouble);
  return (wide.view({groups, filters / groups, network.filter_channels(layer), -1}) * zero)
      .flatten(2)
      .sum(2)
      .flatten();
}

std::vector<host::Requantization> requantizations(const at::Tensor& multiplier, const at::Tensor& offset,
                                                  const at::Tensor& zeros, double result_unit) {
  const at::Tensor m = multiplier.to(at::kDouble).div(result_unit);
  const at::Tensor b = offset.to(at::kDouble).div(result_unit).sub_(m * zeros);
  std::vector<host::Requantization> result;
  for (std::int64_t f = 0; f < m.numel(); ++f)
    result.push_back(to_requantization(m[f].item<double>(), b[f].item<double>()));
  return result;
}

host::Requantization single_requantization(const Affine& affine, double zero) {
  const double multiplier = affine.multiplier.item<double>();
  return to_requantization(multiplier, -multiplier * zero);
}

host::QuantizedLayer weight_layer(const QuantizedGraph& graph, const Step& step, QuantizedModel& model) {
  QuantizedGraph::Weights weights = graph.quantized_weights(step);
  Affine affine = graph.affine_of(step, weights);
  weights.values = weights.values.to(at::kCPU);
  for (at::Tensor* tensor :
       {&affine.multiplier, &affine.offset, &affine.negative_multiplier, &affine.negative_offset})
    if (tensor->defined()) *tensor = tensor->to(at::kCPU);
  const int input_bits = graph.bits().read(step.input);

  host::QuantizedLayer integers;
  integers.weight_bits = graph.layers().at(step.weight_layer).bits;
  const at::Tensor codes = weight_codes(weights.values, integers.weight_bits).contiguous();
  integers.weights.assign(codes.data_ptr<std::uint8_t>(), codes.data_ptr<std::uint8_t>() + codes.numel());
  integers.pad_codes = pad_codes(graph, step, input_bits);
  double unit = 1;
  if (graph.is_logits(step.output)) {
    unit = result_scale(graph, step, weights, affine);
    model.tensor_scales.at(step.output).written = unit;
    integers.range = {0, std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max()};
  } else {
    integers.range = output_range(graph.range_of(step));
  }
  const at::Tensor zeros = zero_sums(graph.start().network, *step.layer, weights.values, integers.pad_codes);
  integers.requantization = requantizations(affine.multiplier, affine.offset, zeros, unit);
  if (affine.negative_multiplier.defined())
    integers.negative = requantizations(affine.negative_multiplier, affine.negative_offset, zeros, unit);
  const at::Tensor scales = weights.scale.to(at::kCPU).contiguous();
  model.weight_scales.at(step.index)
      .assign(scales.data_ptr<float>(), scales.data_ptr<float>() + scales.numel());
  return integers;
}

host::QuantizedLayer add_layer(const QuantizedGraph& graph, const Step& step) {
  const SharedMultipliers shared = graph.add_multipliers(step);
  const auto& inputs = step.layer->inputs;
  const auto shift = static_cast<std::uint8_t>(shared.shift);
  host::QuantizedLayer integers;
  const std::int64_t bias = (std::int64_t{1} << (shared.shift - 1)) -
                            std::int64_t{shared.first} * zero_code(graph, inputs[0], 8) -
                            std::int64_t{shared.second} * zero_code(graph, inputs[1], 8);
  integers.requantization = {{shared.first, shift, bias}, {shared.second, shift, 0}};
  integers.range = output_range(graph.range_of(step));
  return integers;
}

/// The hardware counts both operands' codes from their zero.
host::QuantizedLayer product_layer(const QuantizedGraph& graph, const Step& step) {
  host::QuantizedLayer integers;
  integers.requantization = {single_requantization(graph.product_affine(step), 0)};
  integers.range = output_range(graph.range_of(step));
  return integers;
}

host::QuantizedLayer function_layer(const QuantizedGraph& graph, const Step& step) {
  host::QuantizedLayer integers;
  integers.range = output_range(graph.range_of(step));
  const at::Tensor codes = graph.function_table_of(step).codes.add(integers.range.zero).to(at::kByte);
  integers.table.assign(codes.data_ptr<std::uint8_t>(), codes.data_ptr<std::uint8_t>() + codes.numel());
  return integers;
}

host::QuantizedLayer pool_layer(const QuantizedGraph& graph, const Step& step) {
  host::QuantizedLayer integers;
  const int bits = graph.bits().written.at(step.input);
  integers.pad_codes = pad_codes(graph, step, bits);
  const double zeros = step.layer->window().taps() * zero_code(graph, step.input, bits);
  for (const int taps : host::counted_taps(graph.start().network, *step.layer))
    integers.requantization.push_back(single_requantization(graph.pool_affine(step, taps), zeros));
  integers.range = output_range(graph.range_of(step));
  return integers;
}

host::QuantizedLayer layer_without_weights(const QuantizedGraph& graph, const Step& step) {
  switch (step.layer->kind) {
    case LayerKind::add:
      return add_layer(graph, step);
    case LayerKind::function:
      return function_layer(graph, step);
    case LayerKind::product:
      return product_layer(graph, step);
    default:
      return pool_layer(graph, step);
  }
}

void set_tensor(const QuantizedGraph& graph, int tensor, QuantizedModel& model) {
  const int written = graph.bits().written.at(tensor), narrow = graph.bits().narrow.at(tensor);
  if (!graph.is_logits(tensor)) model.tensor_scales.at(tensor).written = graph.scale_of(tensor, written);
  if (narrow == 0) return;
  model.tensor_scales.at(tensor).narrow = graph.scale_of(tensor, narrow);
  host::Narrowing& narrowing = model.integers.narrowing.at(tensor);
  narrowing.requantization =
      single_requantization(graph.narrowing_affine(tensor), zero_code(graph, tensor, written));
  narrowing.range = output_range(graph.narrow_range(tensor));
}

}  // namespace

QuantizedModel integers_of(const QuantizedGraph& graph) {
  const at::NoGradGuard no_grad;
  const host::Network& network = graph.start().network;
  QuantizedModel model;
  model.integers = {network, graph.policy(), graph.bits(), {}, {}};
  model.integers.layers.resize(network.layers.size());
  model.integers.narrowing.resize(network.tensors.size());
  model.tensor_scales.resize(network.tensors.size());
  model.weight_scales.resize(network.layers.size());
  for (std::size_t t = 0; t < network.tensors.size(); ++t) set_tensor(graph, static_cast<int>(t), model);
  for (const Step& step : graph.start().steps) {
    if (step.layer == nullptr || step.layer->keeps_codes()) continue;
    host::QuantizedLayer& integers = model.integers.layers.at(step.index);
    integers =
        step.layer->has_weights() ? weight_layer(graph, step, model) : layer_without_weights(graph, step);
  }
  model.mean = graph.start().mean;
  model.deviation = graph.start().deviation;
  model.quantizer = graph.method().name;
  model.split_hash = graph.start().split_hash;
  return model;
}

}  // namespace bitloop::quant
