#include "quant/retraining/quantized_graph.h"

#include <algorithm>
#include <cmath>

#include "quant/retraining/moments.h"
#include "quant/retraining/pooling.h"
#include "quant/retraining/retraining.h"
#include "quant/retraining/weight_rounding.h"
#include "quant/tensor/per_filter.h"

namespace bitloop::quant {
namespace {

// Scales are trained as logarithms: a step is a share of the scale, whatever its size. LSQ's gradient scale
// 1/sqrt(N*Qp) serves plain gradient descent; Adam divides any such factor out again.
constexpr double kScaleRate = 0.1;
// Weights of few values must move far before one of them changes. Measured on LeNet.
constexpr double weight_rate(int bits) { return bits == 1 ? 4 : bits == 2 ? 2 : bits == 4 ? 1 : 0.5; }
constexpr double kImageScale = 1.0 / 255;
/// No network's scales are smaller, or larger than its reciprocal; a float holds both.
constexpr double kSmallestScale = 1e-30;

using host::LayerKind;

void accumulate(at::Tensor& sum, const at::Tensor& gradient) {
  if (sum.defined())
    sum.add_(gradient);
  else
    sum = gradient;
}

bool pads_unevenly(const host::Layer& layer) { return layer.padding_end() != layer.pad; }

std::int64_t groups_of(const host::Layer& layer, const at::Tensor& weights) {
  return layer.kind == LayerKind::depthwise ? weights.size(0) : 1;
}

at::Tensor upsampled(const at::Tensor& x, std::int64_t factor) {
  return x.repeat_interleave(factor, 2).repeat_interleave(factor, 3);
}

at::Tensor upsample_gradient(const at::Tensor& gradient, std::int64_t factor) {
  const std::int64_t rows = gradient.size(2) / factor, columns = gradient.size(3) / factor;
  return gradient.reshape({gradient.size(0), gradient.size(1), rows, factor, columns, factor}).sum({3, 5});
}

at::Tensor window_sums(const host::Layer& layer, const at::Tensor& x) {
  const std::int64_t pad = layer.pad, end = layer.padding_end();
  const at::Tensor in = pad == 0 && end == 0 ? x : at::constant_pad_nd(x, {pad, end, pad, end});
  return at::avg_pool2d(in, {layer.kernel_height, layer.kernel_width}, layer.stride, 0, false, true,
                        /*divisor_override=*/1);
}

at::Tensor window_sums_gradient(const host::Layer& layer, const at::Tensor& gradient, const at::Tensor& x) {
  const std::int64_t pad = layer.pad, end = layer.padding_end();
  const at::Tensor in = pad == 0 && end == 0 ? x : at::constant_pad_nd(x, {pad, end, pad, end});
  const at::Tensor below =
      at::avg_pool2d_backward(gradient.contiguous(), in, {layer.kernel_height, layer.kernel_width},
                              layer.stride, 0, false, true, /*divisor_override=*/1);
  return below.narrow(2, pad, x.size(2)).narrow(3, pad, x.size(3));
}

const host::Layer& layer_of(const Step& step) { return step.layer != nullptr ? *step.layer : *step.pool; }

std::vector<std::int64_t> image_sizes(const host::Shape& shape, std::int64_t images) {
  return {images, shape.channels, shape.height, shape.width};
}

/// One number as an affine map of everything.
Affine single_affine(double multiplier, const at::Device& device) {
  const float rounded = round_to_multiplier(static_cast<float>(multiplier));
  const at::Tensor m = at::full({1}, rounded, at::TensorOptions(at::kFloat).device(device));
  return {m, at::zeros_like(m), {}, {}};
}

}  // namespace

void require_convergence(bool converges) {
  if (!converges) throw Diverged();
}

QuantizedGraph::QuantizedGraph(const StartPoint& start, const host::Policy& policy, const Method& method,
                               const ClippingTable& table)
    : start_(start), policy_(policy), bits_(host::tensor_bits(start.network, policy)), method_(method) {
  allocate(table);
  last_reader_.assign(start.network.tensors.size(), -1);
  for (std::size_t i = 0; i < start.steps.size(); ++i)
    for (const int input : layer_of(start.steps[i]).inputs) last_reader_.at(input) = static_cast<int>(i);
}

void QuantizedGraph::allocate(const ClippingTable& table) {
  layers_.resize(start_.layers.size());
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const FloatLayer& from = start_.layers[i];
    LayerState& layer = layers_[i];
    layer.bits = policy_.layers.at(i).weight_bits;
    at::Tensor scales =
        table.weights.at(i)[static_cast<std::size_t>(width_index(layer.bits))].to(start_.device);
    if (method_.start_scale != nullptr)
      scales = method_.start_scale(from.weight.flatten(1), scales, layer.bits);
    const bool normalized = from.gain.defined();
    const at::Tensor ones = at::ones_like(scales);
    parameters_.add(layer.weight, from.weight, weight_rate(layer.bits));
    parameters_.add(layer.log_scale, scales.log(), method_.learns_weight_scales ? kScaleRate : 0);
    parameters_.add(layer.gain, normalized ? from.gain : ones, normalized ? 1 : 0);
    parameters_.add(layer.shift, normalized ? from.shift : from.bias, 1);
    layer.mean = normalized ? from.mean : at::zeros_like(scales);
    layer.inverse_deviation = normalized ? from.variance.add(kBatchNormEpsilon).rsqrt() : ones;
  }
  log_scales_.resize(start_.network.tensors.size());
  const double rate = method_.activation_scale != ScaleTraining::fixed ? kScaleRate : 0;
  std::vector<std::array<bool, std::size(host::kWidths)>> added(log_scales_.size());
  for (std::size_t t = 0; t < start_.network.tensors.size(); ++t) {
    const auto owner = static_cast<std::size_t>(start_.classes[t]);
    for (const int bits : {bits_.written[t], bits_.narrow[t]}) {
      if (bits == 0 || bits > 8 || !has_scale(static_cast<int>(t))) continue;
      const auto width = static_cast<std::size_t>(width_index(bits));
      if (added[owner][width]) continue;
      added[owner][width] = true;
      const double scale = table.activations.at(owner)[width];
      parameters_.add(
          log_scales_[owner][width],
          at::full({}, std::log(scale > 0 ? scale : 1), at::TensorOptions(at::kFloat).device(start_.device)),
          rate);
    }
  }
  parameters_.join();
}

bool QuantizedGraph::has_scale(int tensor) const {
  return start_.classes.at(tensor) != start_.classes.at(start_.network.input) && !is_logits(tensor);
}

const Parameter& QuantizedGraph::log_scale(int tensor, int bits) const {
  return log_scales_.at(start_.classes.at(tensor))[static_cast<std::size_t>(width_index(bits))];
}

double QuantizedGraph::scale_of(int tensor, int bits) const {
  if (is_logits(tensor)) return 1;
  if (!has_scale(tensor)) return kImageScale;
  const double scale = std::exp(static_cast<double>(log_scale(tensor, bits).value.item<float>()));
  require_convergence(scale > kSmallestScale && scale < 1 / kSmallestScale);
  return scale;
}

CodeRange QuantizedGraph::range_of(const Step& step) const {
  const host::Layer& layer = layer_of(step);
  const int bits = bits_.written.at(step.output);
  CodeRange range = code_range(bits, start_.network.tensors.at(step.output).is_signed);
  const bool positive =
      layer.activation == host::Activation::relu || layer.activation == host::Activation::relu6;
  if (positive) range.low = 0;
  if (layer.activation == host::Activation::relu6) {
    const double top = std::floor(6 / scale_of(step.output, bits) + 0.5);
    range.high = static_cast<std::int32_t>(std::clamp<double>(top, 1, range.high));
  }
  return range;
}

CodeRange QuantizedGraph::narrow_range(int tensor) const {
  return code_range(bits_.narrow.at(tensor), start_.network.tensors.at(tensor).is_signed);
}

QuantizedGraph::Weights QuantizedGraph::quantized_weights(const Step& step) const {
  const LayerState& layer = layers_.at(step.weight_layer);
  Weights weights;
  weights.scale = layer.log_scale.value.exp();
  weights.ratio = method_.ratio(layer.weight.value, column(weights.scale, layer.weight.value), layer.bits);
  weights.sign = per_filter([](float gain) { return gain >= 0 ? 1.0F : -1.0F; }, layer.gain.value);
  weights.values = round_weights(weights.ratio, weights.sign, layer.bits);
  return weights;
}

Affine QuantizedGraph::affine_of(const Step& step, const Weights& weights) const {
  const LayerState& layer = layers_.at(step.weight_layer);
  return affine_of(step, weights, layer.mean, layer.inverse_deviation);
}

Affine QuantizedGraph::affine_of(const Step& step, const Weights& weights, const at::Tensor& mean,
                                 const at::Tensor& inverse_deviation) const {
  const LayerState& layer = layers_.at(step.weight_layer);
  const double inverse_scale = 1 / scale_of(step.output, bits_.written.at(step.output));
  const auto per_unit = static_cast<float>(inverse_scale);
  const auto input = static_cast<float>(scale_of(step.input, bits_.read(step.input)) * inverse_scale);
  const at::Tensor exact = per_filter(
      [&](float gain, float inverse, float scale) { return std::abs(gain * inverse) * scale * input; },
      layer.gain.value, inverse_deviation, weights.scale);
  const at::Tensor offset = per_filter([&](float shift, float gain, float inverse,
                                           float m) { return (shift - gain * inverse * m) * per_unit; },
                                       layer.shift.value, layer.gain.value, inverse_deviation, mean);
  Affine affine;
  affine.multiplier = per_filter(round_to_multiplier, exact);
  affine.offset = per_filter(round_to_bias, offset, affine.multiplier);
  if (step.layer->activation == host::Activation::leaky_relu) {
    affine.slope = step.layer->negative_slope;
    affine.negative_multiplier = per_filter(round_to_multiplier, exact * affine.slope);
    affine.negative_offset = per_filter(round_to_bias, offset * affine.slope, affine.negative_multiplier);
  }
  return affine;
}

Affine QuantizedGraph::pool_affine(const Step& step) const {
  const double taps = static_cast<double>(step.layer->kernel_height) * step.layer->kernel_width;
  return single_affine(scale_of(step.input, bits_.written.at(step.input)) /
                           (taps * scale_of(step.output, bits_.written.at(step.output))),
                       start_.device);
}

SharedMultipliers QuantizedGraph::add_multipliers(const Step& step) const {
  const double result = scale_of(step.output, bits_.written.at(step.output));
  const auto scale = [&](int input) { return scale_of(input, bits_.written.at(input)) / result; };
  return share_multipliers(scale(step.layer->inputs[0]), scale(step.layer->inputs[1]));
}

Affine QuantizedGraph::narrowing_affine(int tensor) const {
  return single_affine(scale_of(tensor, bits_.written.at(tensor)) / scale_of(tensor, bits_.narrow.at(tensor)),
                       start_.device);
}

const at::Tensor& QuantizedGraph::form(const Pass& pass, const host::Layer& layer, int tensor) const {
  const Forms& forms = pass.tensors.at(tensor);
  return host::reads_narrow(bits_, layer, tensor) ? forms.narrow : forms.written;
}

void QuantizedGraph::add_gradient_of(std::vector<Forms>& gradients, const host::Layer& layer, int tensor,
                                     const at::Tensor& gradient) const {
  Forms& forms = gradients.at(tensor);
  accumulate(host::reads_narrow(bits_, layer, tensor) ? forms.narrow : forms.written, gradient);
}

at::Tensor QuantizedGraph::as_multiplied(const Step& step, const at::Tensor& input) const {
  if (step.layer->kind == LayerKind::linear) return input.flatten(1);
  const std::int64_t pad = step.layer->pad, end = step.layer->padding_end();
  return pads_unevenly(*step.layer) ? at::constant_pad_nd(input, {pad, end, pad, end}) : input;
}

at::Tensor QuantizedGraph::multiply(const Step& step, const Saved& saved) const {
  const at::Tensor& values = saved.weights.values;
  if (step.layer->kind == LayerKind::linear) return at::linear(saved.input, values);
  const std::int64_t pad = pads_unevenly(*step.layer) ? 0 : step.layer->pad;
  return at::conv2d(saved.input, values, {}, step.layer->stride, pad, 1, groups_of(*step.layer, values));
}

void QuantizedGraph::settle_statistics(const Step& step, Saved& saved, Statistics statistics) {
  LayerState& layer = layers_.at(step.weight_layer);
  saved.mean = layer.mean;
  saved.inverse_deviation = layer.inverse_deviation;
  const bool corrects = !step.layer->batch_norm && float_means_ != nullptr;
  if (statistics == Statistics::stored || (!step.layer->batch_norm && !corrects)) return;
  // Of the real-valued result before normalization.
  const auto input = static_cast<float>(scale_of(step.input, bits_.read(step.input)));
  const Moments moments = moments_of(saved.sums);
  const at::Tensor mean =
      per_filter([&](float m, float scale, float sign) { return m * (scale * input) * sign; }, moments.mean,
                 saved.weights.scale, saved.weights.sign);
  if (corrects) {
    layer.shift.value.copy_(float_means_->at(step.weight_layer) - mean);
    return;
  }
  saved.mean = mean;
  saved.inverse_deviation = per_filter(
      [&](float variance, float scale) {
        const float unit = scale * input;
        return 1 / std::sqrt(variance * (unit * unit) + static_cast<float>(kBatchNormEpsilon));
      },
      moments.variance, saved.weights.scale);
  if (statistics != Statistics::re_estimated) return;
  layer.mean = saved.mean;
  layer.inverse_deviation = saved.inverse_deviation;
}

at::Tensor QuantizedGraph::forward_weights(const Step& step, const at::Tensor& input, Saved& saved,
                                           Statistics statistics) {
  saved.input = as_multiplied(step, input);
  saved.weights = quantized_weights(step);
  saved.sums = multiply(step, saved);
  settle_statistics(step, saved, statistics);
  saved.pooled = step.pool != nullptr ? max_pool(*step.pool, saved.sums) : saved.sums;
  saved.affine = affine_of(step, saved.weights, saved.mean, saved.inverse_deviation);
  if (is_logits(step.output))
    return at::addcmul(channel(saved.affine.offset, saved.pooled), saved.pooled,
                       channel(saved.affine.multiplier, saved.pooled));
  return round_to_codes(saved.pooled, saved.affine, range_of(step));
}

at::Tensor QuantizedGraph::forward_step(const Step& step, const Pass& pass, Saved& saved,
                                        Statistics statistics) {
  const host::Layer& layer = layer_of(step);
  const at::Tensor& input = form(pass, layer, step.input);
  switch (layer.kind) {
    case LayerKind::max_pool:
      return max_pool(layer, input);
    case LayerKind::average_pool:
      saved.affine = pool_affine(step);
      saved.sums = window_sums(layer, input);
      return round_to_codes(saved.sums, saved.affine, range_of(step));
    case LayerKind::add:
      saved.multipliers = add_multipliers(step);
      return add_codes(input, form(pass, layer, layer.inputs[1]),
                       saved.multipliers.value(saved.multipliers.first),
                       saved.multipliers.value(saved.multipliers.second), range_of(step));
    case LayerKind::concat: {
      std::vector<at::Tensor> parts;
      for (const int tensor : layer.inputs) parts.push_back(form(pass, layer, tensor));
      return at::cat(parts, 1);
    }
    case LayerKind::upsample:
      return upsampled(input, layer.stride);
    default:
      return forward_weights(step, input, saved, statistics);
  }
}

at::Tensor QuantizedGraph::forward(const at::Tensor& images, Statistics statistics, Pass* pass) {
  const at::NoGradGuard no_grad;
  const host::Network& network = start_.network;
  Pass own;
  Pass& used = pass != nullptr ? *pass : own;
  used.tensors.assign(network.tensors.size(), {});
  used.steps.assign(start_.steps.size(), {});
  used.tensors.at(network.input).written = images;
  for (std::size_t i = 0; i < start_.steps.size(); ++i) {
    const Step& step = start_.steps[i];
    Forms& forms = used.tensors.at(step.output);
    forms.written = forward_step(step, used, used.steps[i], statistics)
                        .view(image_sizes(network.tensors.at(step.output).shape, images.size(0)));
    if (bits_.narrow.at(step.output) != 0)
      forms.narrow = round_to_codes(forms.written, narrowing_affine(step.output), narrow_range(step.output));
    if (pass != nullptr) continue;
    used.steps[i] = {};
    for (const int input : layer_of(step).inputs)
      if (last_reader_.at(input) == static_cast<int>(i)) used.tensors.at(input) = {};
  }
  const int output = network.output();
  const at::Tensor result = used.tensors.at(output).written.flatten(1);
  return is_logits(output) ? result : result * scale_of(output, bits_.written.at(output));
}

void QuantizedGraph::correct_biases(const at::Tensor& images, const std::vector<at::Tensor>& float_means) {
  float_means_ = &float_means;
  forward(images, Statistics::re_estimated);
  float_means_ = nullptr;
}

void QuantizedGraph::add_scale_gradient(int tensor, int bits, double gradient) {
  if (has_scale(tensor)) log_scale(tensor, bits).gradient.add_(gradient);
}

void QuantizedGraph::backward_affine(const Step& step, const Saved& saved, const RoundingGradient& rounding,
                                     at::Tensor& g_sums, Statistics statistics) {
  LayerState& layer = layers_.at(step.weight_layer);
  const double inverse_scale = 1 / scale_of(step.output, bits_.written.at(step.output));
  layer.shift.gradient.add_(rounding.offset, inverse_scale);
  if (!step.layer->batch_norm) return;
  // normalized = (d * signed_unit - mean) * inverse_deviation; its products with the gradient, per filter.
  const auto input = static_cast<float>(scale_of(step.input, bits_.read(step.input)));
  const at::Tensor signed_unit = per_filter([&](float scale, float sign) { return scale * input * sign; },
                                            saved.weights.scale, saved.weights.sign);
  layer.gain.gradient.add_(
      per_filter([](float g_d, float unit, float g, float mean,
                    float inverse) { return (g_d * unit - g * mean) * inverse; },
                 rounding.multiplier, signed_unit, rounding.offset, saved.mean, saved.inverse_deviation),
      inverse_scale);
  if (statistics == Statistics::stored) return;
  // The batch's mean and deviation depend on every d. With d_hat = (d - mean_d) * deviation_unit:
  // g_d -= factor * (g_offset + d_hat * sum(g * d_hat)).
  const auto count = static_cast<float>(saved.sums.numel() / saved.sums.size(1));
  const at::Tensor slope = per_filter(
      [&](float g_d, float g, float mean, float unit, float inverse, float multiplier) {
        const float deviation_unit = inverse * std::abs(unit);
        const float g_hat = (g_d - g * (mean / unit)) * deviation_unit;
        return multiplier / count * g_hat * deviation_unit;
      },
      rounding.multiplier, rounding.offset, saved.mean, signed_unit, saved.inverse_deviation,
      saved.affine.multiplier);
  const at::Tensor constant =
      per_filter([&](float g, float mean, float unit, float multiplier,
                     float s) { return multiplier / count * g - s * (mean / unit); },
                 rounding.offset, saved.mean, signed_unit, saved.affine.multiplier, slope);
  subtract_affine(g_sums, saved.sums, constant, slope);
}

at::Tensor QuantizedGraph::backward_product(const Step& step, const Saved& saved, const at::Tensor& g_sums,
                                            bool to_input) {
  const host::Layer& layer = *step.layer;
  const at::Tensor& values = saved.weights.values;
  at::Tensor g_input, g_values;
  if (layer.kind == LayerKind::linear) {
    g_values = g_sums.t().mm(saved.input);
    if (to_input) g_input = g_sums.mm(values);
  } else {
    const std::int64_t stride = layer.stride, pad = pads_unevenly(layer) ? 0 : layer.pad;
    std::tie(g_input, g_values, std::ignore) = at::convolution_backward(
        g_sums, saved.input, values, at::OptionalIntArrayRef(), {stride, stride}, {pad, pad}, {1, 1}, false,
        {0, 0}, groups_of(layer, values), {to_input, true, false});
    const host::Shape& in = start_.network.input_shape(layer);
    if (to_input && pads_unevenly(layer))
      g_input = g_input.narrow(2, layer.pad, in.height).narrow(3, layer.pad, in.width);
  }
  backward_weight_rounding(step, saved, g_values);
  return g_input;
}

void QuantizedGraph::backward_weight_rounding(const Step& step, const Saved& saved,
                                              const at::Tensor& g_values) {
  LayerState& layer = layers_.at(step.weight_layer);
  const Weights& weights = saved.weights;
  const at::Tensor& weight = layer.weight.value;
  const RatioGradient below =
      method_.ratio_gradient(weight_gradient(g_values, weights.ratio, weights.sign, layer.bits), weight,
                             column(weights.scale, weight), weights.ratio, layer.bits);
  layer.weight.gradient.add_(below.weight);
  if (!method_.learns_weight_scales) return;
  // A weight stands for value * scale: the scale's gradient by way of the product, then by way of the ratio.
  layer.log_scale.gradient.add_((g_values * weights.values).flatten(1).sum(1));
  if (below.log_scale.defined()) layer.log_scale.gradient.add_(below.log_scale);
}

at::Tensor QuantizedGraph::backward_weights(const Step& step, const Saved& saved, const at::Tensor& above,
                                            Statistics statistics, bool to_input) {
  const at::Tensor gradient = above.reshape(saved.pooled.sizes());
  RoundingGradient rounding;
  if (is_logits(step.output)) {
    const auto sums = [](const at::Tensor& t) { return t.transpose(0, 1).flatten(1).sum(1); };
    rounding = {gradient * channel(saved.affine.multiplier, gradient), sums(gradient * saved.pooled),
                sums(gradient), 0};
  } else {
    rounding =
        rounding_gradient(gradient, saved.pooled, saved.affine, range_of(step), method_.activation_scale);
    add_scale_gradient(step.output, bits_.written.at(step.output), rounding.log_scale);
  }
  at::Tensor g_sums = rounding.d;
  if (step.pool != nullptr) g_sums = max_pool_gradient(*step.pool, g_sums, saved.sums);
  backward_affine(step, saved, rounding, g_sums, statistics);
  const at::Tensor g_input = backward_product(step, saved, g_sums, to_input);
  return to_input ? g_input.reshape(image_sizes(start_.network.tensors.at(step.input).shape, g_input.size(0)))
                  : g_input;
}

void QuantizedGraph::backward_step(const Step& step, const Pass& pass, const Saved& saved,
                                   const at::Tensor& above, std::vector<Forms>& gradients,
                                   Statistics statistics) {
  const host::Layer& layer = layer_of(step);
  const auto give = [&](int tensor, const at::Tensor& gradient) {
    add_gradient_of(gradients, layer, tensor, gradient);
  };
  const int bits = bits_.written.at(step.output);
  const at::Tensor& input = form(pass, layer, step.input);
  switch (layer.kind) {
    case LayerKind::max_pool:
      give(step.input, max_pool_gradient(layer, above, input));
      return;
    case LayerKind::average_pool: {
      const RoundingGradient rounding =
          rounding_gradient(above, saved.sums, saved.affine, range_of(step), method_.activation_scale);
      add_scale_gradient(step.output, bits, rounding.log_scale);
      give(step.input, window_sums_gradient(layer, rounding.d, input));
      return;
    }
    case LayerKind::add: {
      const double m1 = saved.multipliers.value(saved.multipliers.first);
      const double m2 = saved.multipliers.value(saved.multipliers.second);
      const AddGradient rounding = add_gradient(above, input, form(pass, layer, layer.inputs[1]), m1, m2,
                                                range_of(step), method_.activation_scale);
      add_scale_gradient(step.output, bits, rounding.log_scale);
      give(layer.inputs[0], rounding.passed * m1);
      give(layer.inputs[1], rounding.passed * m2);
      return;
    }
    case LayerKind::concat: {
      std::int64_t first = 0;
      for (const int tensor : layer.inputs) {
        const std::int64_t channels = start_.network.tensors.at(tensor).shape.channels;
        give(tensor, above.narrow(1, first, channels).contiguous());
        first += channels;
      }
      return;
    }
    case LayerKind::upsample:
      give(step.input, upsample_gradient(above, layer.stride));
      return;
    default: {
      const bool to_input = step.input != start_.network.input;
      const at::Tensor below = backward_weights(step, saved, above, statistics, to_input);
      if (to_input) give(step.input, below);
    }
  }
}

/// Of decay * range^2, by the logarithm of the scale.
void QuantizedGraph::add_range_decay() {
  if (method_.range_decay == 0) return;
  for (std::size_t tensor = 0; tensor < log_scales_.size(); ++tensor)
    for (std::size_t w = 0; w < log_scales_[tensor].size(); ++w) {
      Parameter& scale = log_scales_[tensor][w];
      if (!scale.value.defined()) continue;
      const bool is_signed = start_.network.tensors[tensor].is_signed;
      const at::Tensor range = scale.value.exp() * code_range(host::kWidths[w], is_signed).high;
      scale.gradient.add_(range.square(), 2 * method_.range_decay);
    }
}

void QuantizedGraph::backward(Pass& pass, const at::Tensor& gradient, Statistics statistics) {
  const at::NoGradGuard no_grad;
  const host::Network& network = start_.network;
  parameters_.gradients.zero_();
  std::vector<Forms> gradients(network.tensors.size());
  const int output = network.output();
  const double unit = scale_of(output, bits_.written.at(output));  // 1 of logits
  gradients.at(output).written = (gradient * unit).view_as(pass.tensors.at(output).written);
  for (std::size_t i = start_.steps.size(); i-- > 0;) {
    const Step& step = start_.steps[i];
    Forms& above = gradients.at(step.output);
    if (above.narrow.defined()) {
      const RoundingGradient rounding =
          rounding_gradient(above.narrow, pass.tensors.at(step.output).written, narrowing_affine(step.output),
                            narrow_range(step.output), method_.activation_scale);
      add_scale_gradient(step.output, bits_.narrow.at(step.output), rounding.log_scale);
      accumulate(above.written, rounding.d);
    }
    if (above.written.defined())
      backward_step(step, pass, pass.steps[i], above.written, gradients, statistics);
    above = {};
    pass.steps[i] = {};
    pass.tensors.at(step.output) = {};
  }
  add_range_decay();
}

}  // namespace bitloop::quant
