// The quantized graph backward.
#include <cmath>

#include "quant/retraining/moments.h"
#include "quant/retraining/pooling.h"
#include "quant/retraining/quantized_graph.h"
#include "quant/retraining/weight_rounding.h"
#include "quant/retraining/windows.h"
#include "quant/tensor/class_logits.h"
#include "quant/tensor/order.h"
#include "quant/tensor/per_filter.h"
#include "quant/tensor/window.h"

namespace bitloop::quant {
namespace {

using host::LayerKind;

void accumulate(at::Tensor& sum, const at::Tensor& gradient) {
  if (sum.defined())
    sum.add_(gradient);
  else
    sum = gradient;
}

}  // namespace

void QuantizedGraph::add_gradient_of(std::vector<Forms>& gradients, const host::Layer& layer, int tensor,
                                     const at::Tensor& gradient) const {
  Forms& forms = gradients.at(tensor);
  accumulate(host::reads_narrow(bits_, layer, tensor) ? forms.narrow : forms.written, gradient);
}

void QuantizedGraph::add_scale_gradient(int tensor, int bits, double gradient) {
  if (has_scale(tensor)) log_scale(tensor, bits).gradient.add_(gradient);
}

void QuantizedGraph::backward_affine(const Step& step, const Saved& saved, const RoundingGradient& rounding,
                                     at::Tensor& g_sums, Statistics statistics) {
  LayerState& layer = layers_.at(step.weight_layer);
  const double inverse_scale = 1 / scale_of(step.output, bits_.written.at(step.output));
  layer.shift.gradient.add_(rounding.offset, inverse_scale);
  if (!layer.normalized) return;
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
    const bool even = pads_evenly(layer.pad);
    std::tie(g_input, g_values, std::ignore) =
        at::convolution_backward(g_sums, saved.input, values, at::OptionalIntArrayRef(), sides(layer.stride),
                                 own_padding(layer.pad, even), sides(layer.dilation), false, {0, 0},
                                 groups_of(saved.input, values), {to_input, true, false});
    if (to_input && !even) g_input = unpadded(g_input, layer.pad);
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
      at::Tensor g_sums;
      for (const PoolPart& part : pool_parts(step, input)) {
        const RoundingGradient rounding =
            rounding_gradient(part.mask.defined() ? above * part.mask : above, saved.sums, part.affine,
                              range_of(step), method_.activation_scale);
        add_scale_gradient(step.output, bits, rounding.log_scale);
        accumulate(g_sums, rounding.d);
      }
      give(step.input, window_sums_gradient(layer, g_sums, input));
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
    case LayerKind::product: {
      const at::Tensor& vector = form(pass, layer, layer.inputs[1]);
      const RoundingGradient rounding =
          rounding_gradient(above, saved.sums, saved.affine, range_of(step), method_.activation_scale);
      add_scale_gradient(step.output, bits, rounding.log_scale);
      give(layer.inputs[0], rounding.d * vector);
      give(layer.inputs[1], (rounding.d * input).sum({2, 3}, /*keepdim=*/true));
      return;
    }
    case LayerKind::function: {
      const FunctionGradient below =
          function_gradient(above, input, least_code(step), saved.table, method_.activation_scale);
      add_scale_gradient(step.output, bits, below.log_scale);
      give(step.input, below.x);
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
    case LayerKind::interleave:
      for (std::size_t i = 0; i < layer.inputs.size(); ++i)
        give(layer.inputs[i], phase(above, layer.stride, static_cast<std::int64_t>(i)).contiguous());
      return;
    case LayerKind::upsample:
      give(step.input, upsample_gradient(above, layer.stride));
      return;
    case LayerKind::select:
      give(step.input, selected_channels_gradient(above, layer.channels, input.size(1)));
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
  const at::Tensor& results = pass.tensors.at(output).written;
  gradients.at(output).written = (gradient_of_results(gradient, results) * unit).view_as(results);
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
