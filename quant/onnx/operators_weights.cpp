#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "quant/onnx/operators.h"
#include "quant/onnx/window.h"

namespace bitloop::quant::importer {
namespace {

using host::Activation;
using host::LayerKind;

/// A constant that has one number for each of `channels`, or one for all: of shape [channels] where channels
/// are the last dimension of its partner, of [channels, 1, 1] where two more follow; ones in front may be
/// left out.
std::vector<double> per_channel(const Lowering& l, const Constant& constant, const Value& partner) {
  const std::vector<float> values = l.numbers(constant);
  const std::int64_t channels = partner.dims.size() > 1 ? partner.dims[1] : 1;
  if (values.size() == 1 && constant.dims.size() <= partner.dims.size())
    return std::vector<double>(static_cast<std::size_t>(channels), values.front());
  const std::size_t after = partner.dims.size() - 2;  // dimensions behind the channels
  const bool fits = partner.dims.size() >= 2 && constant.dims.size() > after &&
                    constant.dims.size() <= partner.dims.size() && constant.count() == channels &&
                    constant.dims[constant.dims.size() - 1 - after] == channels;
  if (!fits) {
    l.node.refuse(fmt::format("its constant of shape {} is not one number per channel of {}, as is supported",
                              fmt::join(constant.dims, "x"), fmt::join(partner.dims, "x")));
  }
  return {values.begin(), values.end()};
}

/// The vector of a bias: one number per filter.
std::vector<float> bias_of(const Lowering& l, std::size_t input, std::int64_t filters) {
  const Constant* bias = l.constant(input);
  if (bias == nullptr) return {};
  if (bias->count() != filters)
    l.node.refuse(fmt::format("its bias has {} numbers, not one per filter ({})", bias->count(), filters));
  return l.numbers(*bias);
}

Value append_linear(const Lowering& l, const std::string& name, std::int64_t outputs,
                    LayerParameters parameters) {
  const Value& value = l.inputs.front();
  if (parameters.bias.empty()) parameters.bias.assign(static_cast<std::size_t>(outputs), 0.0F);
  host::Layer layer{
      .name = l.names.of_weights(l.node, name), .kind = LayerKind::linear, .inputs = {value.tensor}};
  return l.append(std::move(layer), {outputs, 1, 1}, {value.dims.front(), outputs}, std::move(parameters));
}

LayerParameters with_weight(std::vector<float> weight) {
  LayerParameters parameters;
  parameters.weight = std::move(weight);
  return parameters;
}

/// Weights [outputs][inputs] of a constant that is [inputs][outputs] unless `transposed`.
std::vector<float> linear_weights(const Lowering& l, const Constant& constant, bool transposed) {
  const Value& value = l.tensor(0);
  const bool fits = value.dims.size() == 2 && constant.dims.size() == 2 && constant.count() > 0 &&
                    constant.dims[transposed ? 1 : 0] == value.dims[1];
  if (!fits) {
    l.node.refuse(
        fmt::format("its input is {} and its weights are {}; supported is a matrix of weights for vectors",
                    fmt::join(value.dims, "x"), fmt::join(constant.dims, "x")));
  }
  l.budget.spend(l.node, constant.count());
  std::vector<float> weights = l.numbers(constant);
  if (transposed) return weights;
  const std::int64_t inputs = constant.dims[0], outputs = constant.dims[1];
  std::vector<float> result(weights.size());
  for (std::int64_t i = 0; i < inputs; ++i)
    for (std::int64_t o = 0; o < outputs; ++o) result[o * inputs + i] = weights[i * outputs + o];
  return result;
}

/// Scale and shift that join the layer before; refuses where that is none with weights.
Value join_affine(const Lowering& l, const Value& value, const std::vector<double>& scale,
                  const std::vector<double>& shift) {
  if (!l.draft.takes_affine(value.tensor)) {
    l.node.refuse(
        "its constant can join a Conv, Gemm, MatMul or BatchNormalization before it only, whose result "
        "nothing "
        "else reads and no activation follows");
  }
  for (const double factor : scale)
    if (!std::isfinite(factor)) l.node.refuse("its constant holds numbers that are not finite");
  if (static_cast<std::int64_t>(scale.size()) != l.draft.shape(value.tensor).channels)
    l.node.refuse("its constant is not one number per filter of the layer before it, as is supported");
  l.draft.join_affine(value.tensor, scale, shift);
  return l.pass(value);
}

std::vector<double> ones(std::size_t count) { return std::vector<double>(count, 1.0); }
std::vector<double> zeros(std::size_t count) { return std::vector<double>(count, 0.0); }
std::vector<double> each(std::vector<double> values, const std::function<double(double)>& f) {
  std::transform(values.begin(), values.end(), values.begin(), f);
  return values;
}

Value activated(const Lowering& l, Activation activation, double slope) {
  const Value& value = l.padded_tensor(0);  // zeros around a tensor stay zeros
  const auto reason = l.draft.join_activation(value.tensor, activation, slope);
  const bool changes_nothing = activation != Activation::relu6 && l.draft.non_negative(value.tensor);
  if (reason && !changes_nothing) l.node.refuse("cannot join the layer before it: " + *reason);
  return l.pass(value);
}

}  // namespace

Value lower_conv(const Lowering& l) {
  const Value& value = l.image_like(l.padded_tensor(0));
  const Constant& weights = l.needed_constant(1);
  const host::Shape shape = l.draft.shape(value.tensor);
  const Dims& dims = weights.dims;
  if (dims.size() != 4 || weights.count() < 1) l.node.refuse("supported are weights of four dimensions");
  const std::int64_t group = l.node.integer("group", 1);
  const bool depthwise = group != 1 && group == shape.channels && dims[0] == group;
  if (group != 1 && !depthwise) {
    l.node.refuse(
        fmt::format("group {} of {} channels and {} filters is not supported; supported are group 1 and "
                    "depthwise (groups, channels and filters of one number)",
                    group, shape.channels, dims[0]));
  }
  if (dims[1] != (depthwise ? 1 : shape.channels))
    l.node.refuse(fmt::format("its weights {} do not fit {} channels", fmt::join(dims, "x"), shape.channels));
  const auto kernel = l.node.integers("kernel_shape", {dims[2], dims[3]});
  if (kernel != std::vector{dims[2], dims[3]}) l.node.refuse("its kernel_shape is not that of its weights");
  const WindowShape window = window_shape(l.node, shape, value.pads, dims[2], dims[3], true);
  l.budget.spend(l.node, weights.count());
  LayerParameters parameters = with_weight(l.numbers(weights));
  parameters.bias = bias_of(l, 2, dims[0]);
  if (parameters.bias.empty()) parameters.bias.assign(static_cast<std::size_t>(dims[0]), 0.0F);
  host::Layer layer{.name = l.names.of_weights(l.node, weights.name),
                    .kind = depthwise ? LayerKind::depthwise : LayerKind::conv,
                    .inputs = {value.tensor},
                    .kernel_height = static_cast<int>(dims[2]),
                    .kernel_width = static_cast<int>(dims[3]),
                    .stride = window.stride,
                    .pad = window.pad};
  if (window.pad_end != window.pad) layer.pad_end = window.pad_end;
  return l.append(std::move(layer), {dims[0], window.height, window.width}, std::move(parameters));
}

Value lower_gemm(const Lowering& l) {
  if (l.node.integer("transA", 0) != 0) l.node.refuse("transA 1 is not supported; only 0 is");
  const bool transposed = l.node.integer("transB", 0) != 0;
  const Constant& constant = l.needed_constant(1);
  LayerParameters parameters = with_weight(linear_weights(l, constant, transposed));
  const std::int64_t outputs = constant.dims[transposed ? 0 : 1];
  const float alpha = l.node.number("alpha", 1), beta = l.node.number("beta", 1);
  if (!std::isfinite(alpha) || !std::isfinite(beta)) l.node.refuse("its alpha and beta must be finite");
  for (float& weight : parameters.weight) weight *= alpha;
  if (const Constant* bias = l.constant(2)) {
    Value result;
    result.dims = {l.inputs.front().dims.front(), outputs};
    for (const double b : per_channel(l, *bias, result))
      parameters.bias.push_back(static_cast<float>(b * beta));
  }
  return append_linear(l, constant.name, outputs, std::move(parameters));
}

Value lower_matmul(const Lowering& l) {
  const Constant& constant = l.needed_constant(1);
  LayerParameters parameters = with_weight(linear_weights(l, constant, false));
  return append_linear(l, constant.name, constant.dims[1], std::move(parameters));
}

Value lower_batch_normalization(const Lowering& l) {
  const Value& value = l.tensor(0);
  if (l.node.integer("training_mode", 0) != 0 || l.node.integer("spatial", 1) != 1)
    l.node.refuse("supported is inference with one mean per channel (training_mode 0, spatial 1)");
  const host::Shape shape = l.draft.shape(value.tensor);
  std::vector<std::vector<float>> p;
  for (std::size_t i = 1; i <= 4; ++i) {
    p.push_back(l.numbers(l.needed_constant(i)));
    if (static_cast<std::int64_t>(p.back().size()) != shape.channels || value.dims.size() < 2 ||
        value.dims[1] != shape.channels)
      l.node.refuse(fmt::format("input {} has {} numbers, not one per channel ({})", i, p.back().size(),
                                shape.channels));
  }
  const double epsilon = l.node.number("epsilon", 1e-5F);
  for (const float variance : p[3])
    if (!(variance + epsilon > 0)) l.node.refuse("its variance plus epsilon must be positive");
  if (l.draft.takes_affine(value.tensor)) {
    l.draft.join_batch_norm(value.tensor, p[0], p[1], p[2], p[3], epsilon);
    return l.pass(value);
  }
  // Nothing before it to join: a depthwise layer of its own, with weights of one.
  l.image_like(value);
  host::Layer layer{.name = l.names.of_node(l.node), .kind = LayerKind::depthwise, .inputs = {value.tensor}};
  LayerParameters parameters =
      with_weight(std::vector<float>(static_cast<std::size_t>(shape.channels), 1.0F));
  Value result =
      l.append(std::move(layer), {shape.channels, shape.height, shape.width}, std::move(parameters));
  l.draft.join_batch_norm(result.tensor, p[0], p[1], p[2], p[3], epsilon);
  return result;
}

Value lower_add(const Lowering& l) {
  if (l.is_constant(0) || l.is_constant(1)) {
    const Value& value = l.tensor(l.is_constant(0) ? 1 : 0);
    const auto shift = per_channel(l, l.needed_constant(l.is_constant(0) ? 0 : 1), value);
    return join_affine(l, value, ones(shift.size()), shift);
  }
  const Value &first = l.tensor(0), &second = l.tensor(1);
  const host::Shape shape = l.draft.shape(first.tensor);
  if (first.dims != second.dims || l.draft.shape(second.tensor) != shape) {
    l.node.refuse(fmt::format("its inputs are {} and {}; supported are two of one shape",
                              fmt::join(first.dims, "x"), fmt::join(second.dims, "x")));
  }
  host::Layer layer{
      .name = l.names.of_node(l.node), .kind = LayerKind::add, .inputs = {first.tensor, second.tensor}};
  return l.append(std::move(layer), {shape.channels, shape.height, shape.width}, first.dims);
}

Value lower_sub(const Lowering& l) {
  const bool from_constant = l.is_constant(0);
  const Value& value = l.tensor(from_constant ? 1 : 0);
  const auto constant = per_channel(l, l.needed_constant(from_constant ? 0 : 1), value);
  if (from_constant)
    return join_affine(l, value, each(ones(constant.size()), std::negate<double>()), constant);
  return join_affine(l, value, ones(constant.size()), each(constant, std::negate<double>()));
}

Value lower_mul(const Lowering& l) {
  const bool from_constant = l.is_constant(0);
  const Value& value = l.tensor(from_constant ? 1 : 0);
  const auto factors = per_channel(l, l.needed_constant(from_constant ? 0 : 1), value);
  return join_affine(l, value, factors, zeros(factors.size()));
}

Value lower_div(const Lowering& l) {
  const Value& value = l.tensor(0);
  const auto divisors = per_channel(l, l.needed_constant(1), value);
  return join_affine(l, value, each(divisors, [](double d) { return 1 / d; }), zeros(divisors.size()));
}

Value lower_relu(const Lowering& l) { return activated(l, Activation::relu, 0); }

Value lower_leaky_relu(const Lowering& l) {
  const float slope = l.node.number("alpha", 0.01F);
  if (!(slope >= 0 && slope <= 1)) l.node.refuse("supported is an alpha of 0..1");
  return slope == 0 ? activated(l, Activation::relu, 0) : activated(l, Activation::leaky_relu, slope);
}

Value lower_clip(const Lowering& l) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const auto limit = [&](std::size_t input, const char* attribute, double otherwise) {
    if (l.node.opset() < 11) return double{l.node.number(attribute, static_cast<float>(otherwise))};
    const Constant* constant = l.constant(input);
    if (constant == nullptr) return otherwise;
    if (constant->count() != 1) l.node.refuse("its limits must be single numbers");
    return constant->at(0);
  };
  constexpr double kLargest = std::numeric_limits<float>::max();
  const double low = limit(1, "min", -kInfinity), high = limit(2, "max", kInfinity);
  if (low <= -kLargest && high >= kLargest) return l.pass(l.padded_tensor(0));
  if (low == 0 && high >= kLargest) return activated(l, Activation::relu, 0);
  if (low == 0 && high == 6) return activated(l, Activation::relu6, 0);
  l.node.refuse(fmt::format(
      "limits {} and {} are not supported; supported are 0 and 6, and 0 without an upper one", low, high));
}

}  // namespace bitloop::quant::importer
