#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "quant/onnx/operators.h"
#include "quant/onnx/view.h"
#include "quant/onnx/window.h"

namespace bitloop::quant::importer {
namespace {

using host::Activation;
using host::LayerKind;

/// A constant that has one number for all channels of its partner, or one for each: then in the dimension
/// that shows them, all others being one.
std::vector<double> per_channel(const Lowering& l, const Constant& constant, const Value& partner) {
  const std::vector<float> values = l.numbers(constant);
  const host::Shape& shape = l.draft.shape(partner.tensor);
  l.budget.spend(l.node, shape.channels);
  const std::size_t rank = partner.dims.size();
  if (values.size() == 1 && constant.dims.size() <= rank)
    return std::vector<double>(static_cast<std::size_t>(shape.channels), values.front());
  const auto axes = shown_axes(partner, shape);
  bool fits = axes && constant.dims.size() <= rank && constant.count() == shape.channels;
  for (std::size_t i = 0; fits && i < constant.dims.size(); ++i) {
    const std::size_t dim = rank - constant.dims.size() + i;
    fits = constant.dims[i] == 1 || (dim > 0 && axes->at(dim - 1) == kChannels);
  }
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

/// Weights [outputs][inputs], inputs in the tensor's order, of a constant that is [inputs][outputs] unless
/// `transposed`.
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
  const std::vector<float> weights = l.numbers(constant);
  const std::int64_t inputs = value.dims[1], outputs = constant.count() / inputs;
  const std::vector<std::int64_t> places = element_places(value, l.draft.shape(value.tensor));
  std::vector<float> result(weights.size());
  for (std::int64_t i = 0; i < inputs; ++i)
    for (std::int64_t o = 0; o < outputs; ++o)
      result[o * inputs + places[i]] = weights[transposed ? o * inputs + i : i * outputs + o];
  return result;
}

/// Scales that the constant is made of multiples of, one for each of `count` filters along an axis; empty
/// where it states none.
std::vector<float> stated_scales(const Constant& constant, std::size_t axis, std::int64_t count) {
  if (constant.scale == nullptr) return {};
  const Constant& scale = *constant.scale;
  const auto filters = static_cast<std::size_t>(count);
  if (scale.count() == 1) return std::vector<float>(filters, scale.floats.front());
  const std::size_t before = constant.dims.size() - std::min(scale.dims.size(), constant.dims.size());
  const bool along_axis = scale.count() == count && axis >= before && axis - before < scale.dims.size() &&
                          scale.dims[axis - before] == count;
  return along_axis ? scale.floats : std::vector<float>();
}

std::vector<double> ones(std::size_t count) { return std::vector<double>(count, 1.0); }
std::vector<double> zeros(std::size_t count) { return std::vector<double>(count, 0.0); }
std::vector<double> each(std::vector<double> values, const std::function<double(double)>& f) {
  std::transform(values.begin(), values.end(), values.begin(), f);
  return values;
}

/// A layer that scales and shifts each channel and does nothing else.
Value append_affine(const Lowering& l, const Value& value, const std::vector<double>& scale,
                    const std::vector<double>& shift, Activation activation = Activation::none,
                    const std::vector<double>& slopes = {}) {
  l.budget.spend(l.node, static_cast<std::int64_t>(scale.size() + shift.size()));
  host::Layer layer{.name = l.names.of_node(l.node), .kind = LayerKind::depthwise, .inputs = {value.tensor}};
  layer.activation = activation;
  if (activation == Activation::leaky_relu) layer.negative_slopes = slopes;
  LayerParameters parameters = with_weight({scale.begin(), scale.end()});
  parameters.bias.assign(shift.begin(), shift.end());
  return l.append_like(value, std::move(layer), std::move(parameters));
}

/// Scale and shift join the layer before where that has weights, or become a layer.
Value affine(const Lowering& l, const Value& value, const std::vector<double>& scale,
             const std::vector<double>& shift) {
  for (const double factor : scale)
    if (!std::isfinite(factor)) l.node.refuse("its constant holds numbers that are not finite");
  if (!l.draft.takes_affine(value)) return append_affine(l, value, scale, shift);
  l.draft.join_affine(value.tensor, scale, shift);
  return l.pass(value);
}

/// An activation joins the layers before where it can, or becomes a layer.
Value activated(const Lowering& l, Activation activation, const std::vector<double>& slopes = {}) {
  const Value& value = l.padded_tensor(0);  // zeros around a tensor stay zeros
  if (!value.limited() && !l.draft.join_activation(value.tensor, activation, slopes)) return l.pass(value);
  const bool changes_nothing =
      !value.limited() && activation != Activation::relu6 && l.draft.non_negative(value.tensor);
  if (changes_nothing) return l.pass(value);
  const auto channels = static_cast<std::size_t>(l.draft.shape(value.tensor).channels);
  return append_affine(l, value, ones(channels), zeros(channels), activation, slopes);
}

/// The same node, reading these instead, for `readers`.
Lowering with_inputs(const Lowering& l, const std::vector<Value>& inputs, int readers) {
  Lowering part{l.node, inputs, l.draft, l.names, l.budget};
  part.readers = readers;
  return part;
}

}  // namespace

Value clipped(const Lowering& l, const host::Limits& limits) {
  Value value = l.padded_tensor(0);
  if (value.pads.any() && (limits.low > 0 || limits.high < 0))
    l.node.refuse("its limits leave out the zeros of the Pad before it");
  const bool joins = l.draft.takes_limits(value.tensor) && value.limit(limits);
  if (joins) return l.pass(std::move(value));
  const auto channels = static_cast<std::size_t>(l.draft.shape(value.tensor).channels);
  Value result = append_affine(l, value, ones(channels), zeros(channels));
  result.limits = limits;
  return result;
}

Value lower_conv(const Lowering& l) {
  const Value& value = l.image_like(l.padded_tensor(0));
  const Constant& weights = l.needed_constant(1);
  const host::Shape shape = l.draft.shape(value.tensor);
  const Dims& dims = weights.dims;
  if (dims.size() != 4 || weights.count() < 1) l.node.refuse("supported are weights of four dimensions");
  const std::int64_t group = l.node.integer("group", 1);
  if (group < 1 || shape.channels % group != 0 || dims[0] % group != 0) {
    l.node.refuse(fmt::format("its {} channels and {} filters do not fall into {} groups", shape.channels,
                              dims[0], group));
  }
  const bool depthwise = group != 1 && group == shape.channels;
  if (dims[1] != shape.channels / group) {
    l.node.refuse(fmt::format("its weights {} do not fit {} channels in {} groups", fmt::join(dims, "x"),
                              shape.channels, group));
  }
  const auto kernel = l.node.integers("kernel_shape", {dims[2], dims[3]});
  if (kernel != std::vector{dims[2], dims[3]}) l.node.refuse("its kernel_shape is not that of its weights");
  const WindowShape window = window_shape(l.node, shape, value.pads, dims[2], dims[3]);
  l.budget.spend(l.node, weights.count());
  LayerParameters parameters = with_weight(l.numbers(weights));
  parameters.weight_scale = stated_scales(weights, 0, dims[0]);
  parameters.bias = bias_of(l, 2, dims[0]);
  if (parameters.bias.empty()) parameters.bias.assign(static_cast<std::size_t>(dims[0]), 0.0F);
  host::Layer layer{.name = l.names.of_weights(l.node, weights.name),
                    .kind = depthwise ? LayerKind::depthwise : LayerKind::conv,
                    .inputs = {value.tensor}};
  set_window(layer, window.window);
  if (!depthwise) layer.groups = static_cast<int>(group);
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
  if (alpha == 1) parameters.weight_scale = stated_scales(constant, transposed ? 0 : 1, outputs);
  if (const Constant* bias = l.constant(2)) {
    const std::vector<float> values = l.numbers(*bias);
    const bool one = values.size() == 1;
    if (!one && (bias->count() != outputs || bias->dims.back() != outputs))
      l.node.refuse(fmt::format("its bias of shape {} is not one number per output ({})",
                                fmt::join(bias->dims, "x"), outputs));
    for (std::int64_t o = 0; o < outputs; ++o) parameters.bias.push_back(values[one ? 0 : o] * beta);
  }
  return append_linear(l, constant.name, outputs, std::move(parameters));
}

Value lower_matmul(const Lowering& l) {
  const Constant& constant = l.needed_constant(1);
  LayerParameters parameters = with_weight(linear_weights(l, constant, false));
  parameters.weight_scale = stated_scales(constant, 1, constant.dims[1]);
  return append_linear(l, constant.name, constant.dims[1], std::move(parameters));
}

Value lower_batch_normalization(const Lowering& l) {
  const Value& value = l.tensor(0);
  if (l.node.integer("training_mode", 0) != 0 || l.node.integer("spatial", 1) != 1)
    l.node.refuse("supported is inference with one mean per channel (training_mode 0, spatial 1)");
  const host::Shape shape = l.draft.shape(value.tensor);
  const auto axes = shown_axes(value, shape);
  const bool channels_second = axes && !axes->empty() && (axes->front() == kChannels || shape.channels == 1);
  std::vector<std::vector<float>> p;
  for (std::size_t i = 1; i <= 4; ++i) {
    l.budget.spend(l.node, l.needed_constant(i).count());
    p.push_back(l.numbers(l.needed_constant(i)));
    if (static_cast<std::int64_t>(p.back().size()) != shape.channels || !channels_second)
      l.node.refuse(fmt::format("input {} has {} numbers, not one per channel ({})", i, p.back().size(),
                                shape.channels));
  }
  const double epsilon = l.node.number("epsilon", 1e-5F);
  for (const float variance : p[3])
    if (!(variance + epsilon > 0)) l.node.refuse("its variance plus epsilon must be positive");
  if (l.draft.takes_affine(value)) {
    l.draft.join_batch_norm(value.tensor, p[0], p[1], p[2], p[3], epsilon);
    return l.pass(value);
  }
  // Nothing before it to join: a depthwise layer of its own, with weights of one.
  const auto channels = static_cast<std::size_t>(shape.channels);
  const Value result = append_affine(l, value, ones(channels), zeros(channels));
  l.draft.join_batch_norm(result.tensor, p[0], p[1], p[2], p[3], epsilon);
  return result;
}

/// One number per channel as a tensor of the shape of `like`; the value itself where it is no such.
Value spread(const Lowering& l, const Value& value, const Value& like) {
  const host::Shape shape = l.draft.shape(value.tensor), wanted = l.draft.shape(like.tensor);
  const bool spreads = value.dims.size() == like.dims.size() && value.order == like.order &&
                       shape != wanted && shape == host::Shape{wanted.channels, 1, 1};
  if (!spreads) return value;
  Value result = like;
  result.limits = result.narrow = {};
  result.tensor = with_inputs(l, l.inputs, 1)
                      .append({.name = l.names.of_node(l.node),
                               .kind = LayerKind::upsample,
                               .inputs = {value.tensor},
                               .stride = {wanted.height, wanted.width}},
                              {wanted.channels, wanted.height, wanted.width})
                      .tensor;
  return result;
}

Value lower_add(const Lowering& l) {
  if (l.is_constant(0) || l.is_constant(1)) {
    const Value& value = l.tensor(l.is_constant(0) ? 1 : 0);
    const auto shift = per_channel(l, l.needed_constant(l.is_constant(0) ? 0 : 1), value);
    return affine(l, value, ones(shift.size()), shift);
  }
  const Value first = spread(l, l.tensor(0), l.tensor(1)), second = spread(l, l.tensor(1), l.tensor(0));
  if (first.dims != second.dims || first.order != second.order ||
      l.draft.shape(second.tensor) != l.draft.shape(first.tensor)) {
    l.node.refuse(fmt::format("its inputs are {} and {}; supported are two of one shape",
                              fmt::join(first.dims, "x"), fmt::join(second.dims, "x")));
  }
  return l.append_like(
      first,
      {.name = l.names.of_node(l.node), .kind = LayerKind::add, .inputs = {first.tensor, second.tensor}});
}

Value lower_sum(const Lowering& l) {
  if (l.inputs.size() < 2) return l.pass(l.tensor(0));
  Value sum = l.inputs.front();
  for (std::size_t i = 1; i < l.inputs.size(); ++i) {
    const std::vector<Value> pair{sum, l.inputs[i]};
    sum = lower_add(with_inputs(l, pair, i + 1 == l.inputs.size() ? l.readers : 1));
  }
  return sum;
}

Value lower_sub(const Lowering& l) {
  if (!l.is_constant(0) && !l.is_constant(1)) {
    const Value& second = l.tensor(1);
    const auto channels = static_cast<std::size_t>(l.draft.shape(second.tensor).channels);
    const std::vector<Value> subtracted{second};
    const std::vector<Value> pair{l.tensor(0), affine(with_inputs(l, subtracted, 1), second,
                                                      std::vector<double>(channels, -1.0), zeros(channels))};
    return lower_add(with_inputs(l, pair, l.readers));
  }
  const bool from_constant = l.is_constant(0);
  const Value& value = l.tensor(from_constant ? 1 : 0);
  const auto constant = per_channel(l, l.needed_constant(from_constant ? 0 : 1), value);
  if (from_constant) return affine(l, value, each(ones(constant.size()), std::negate<double>()), constant);
  return affine(l, value, ones(constant.size()), each(constant, std::negate<double>()));
}

/// A tensor times another that has one number for each of its channels, in either order.
Value product(const Lowering& l) {
  const auto is_vector = [&](const Value& value) {
    const host::Shape& shape = l.draft.shape(value.tensor);
    return shape.height == 1 && shape.width == 1;
  };
  const bool swapped = !is_vector(l.tensor(1));
  const Value &value = l.tensor(swapped ? 1 : 0), &vector = l.tensor(swapped ? 0 : 1);
  const host::Shape& shape = l.draft.shape(value.tensor);
  const auto axes = shown_axes(value, shape);
  bool fits = axes && is_vector(vector) && vector.dims.size() == value.dims.size() &&
              !l.draft.is_image(value.tensor) && l.draft.shape(vector.tensor).channels == shape.channels;
  for (std::size_t i = 1; fits && i < value.dims.size(); ++i)
    fits = vector.dims[i] == ((*axes)[i - 1] == kChannels ? value.dims[i] : 1);
  if (!fits) {
    l.node.refuse(fmt::format("its inputs are {} and {}; supported are a tensor and one number per channel",
                              fmt::join(l.inputs[0].dims, "x"), fmt::join(l.inputs[1].dims, "x")));
  }
  return l.append_like(
      value,
      {.name = l.names.of_node(l.node), .kind = LayerKind::product, .inputs = {value.tensor, vector.tensor}});
}

Value lower_mul(const Lowering& l) {
  if (!l.is_constant(0) && !l.is_constant(1)) return product(l);
  const bool from_constant = l.is_constant(0);
  const Value& value = l.tensor(from_constant ? 1 : 0);
  const auto factors = per_channel(l, l.needed_constant(from_constant ? 0 : 1), value);
  return affine(l, value, factors, zeros(factors.size()));
}

Value lower_div(const Lowering& l) {
  const Value& value = l.tensor(0);
  const auto divisors = per_channel(l, l.needed_constant(1), value);
  return affine(l, value, each(divisors, [](double d) { return 1 / d; }), zeros(divisors.size()));
}

Value lower_relu(const Lowering& l) {
  return l.padded_tensor(0).limited() ? clipped(l, {.low = 0}) : activated(l, Activation::relu);
}

Value lower_leaky_relu(const Lowering& l) {
  const float slope = l.node.number("alpha", 0.01F);
  if (!(slope >= 0 && slope <= 1)) l.node.refuse("supported is an alpha of 0..1");
  return slope == 0 ? activated(l, Activation::relu) : activated(l, Activation::leaky_relu, {slope});
}

Value lower_prelu(const Lowering& l) {
  std::vector<double> slopes = per_channel(l, l.needed_constant(1), l.padded_tensor(0));
  if (!std::ranges::all_of(slopes, [](double slope) { return slope >= 0 && slope <= 1; }))
    l.node.refuse("supported are slopes of 0..1");
  if (std::ranges::count(slopes, slopes.front()) == std::ssize(slopes)) slopes.resize(1);
  if (slopes == std::vector{0.0}) return lower_relu(l);
  return activated(l, Activation::leaky_relu, slopes);
}

host::Limits clip_limits(const Lowering& l) {
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
  return {.low = low <= -kLargest ? -kInfinity : low, .high = high >= kLargest ? kInfinity : high};
}

Value lower_clip(const Lowering& l) {
  const host::Limits limits = clip_limits(l);
  if (!(limits.low < limits.high))
    l.node.refuse(fmt::format("its limits {} and {} leave no two values", limits.low, limits.high));
  const Value& value = l.padded_tensor(0);
  if (!limits.any()) return l.pass(value);
  if (!value.limited() && limits == host::Limits{.low = 0}) return activated(l, Activation::relu);
  if (!value.limited() && limits == host::Limits{.low = 0, .high = 6}) return activated(l, Activation::relu6);
  return clipped(l, limits);
}

}  // namespace bitloop::quant::importer
