#include "quant/retraining/quantized_graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "quant/model/hash.h"
#include "quant/retraining/pooling.h"
#include "quant/retraining/retraining.h"
#include "quant/retraining/weight_rounding.h"
#include "quant/retraining/windows.h"
#include "quant/tensor/byte_convolution.h"
#include "quant/tensor/class_logits.h"
#include "quant/tensor/order.h"
#include "quant/tensor/per_filter.h"
#include "quant/tensor/window.h"

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

/// Images whose input and result of a layer stay in a core's cache while they are multiplied, counted and
/// pooled; with fewer than kFewest LibTorch has a slower path for 1x1 convolutions on one thread.
std::int64_t slice_images(const host::Network& network, const host::Layer& layer) {
  constexpr std::int64_t kElements = 1 << 19, kFewest = 16, kMost = 64;
  const std::int64_t each = network.input_shape(layer).elements() + network.output_shape(layer).elements();
  return std::clamp(kElements / std::max<std::int64_t>(1, each), kFewest, kMost);
}

/// One number as an affine map of everything.
Affine single_affine(double multiplier, const at::Device& device) {
  const float rounded = round_to_multiplier(static_cast<float>(multiplier));
  const at::Tensor m = at::full({1}, rounded, at::TensorOptions(at::kFloat).device(device));
  return {m, at::zeros_like(m), {}, {}, {}};
}

/// Codes less their zero code as bytes; of a signed tensor below 0 too.
at::Tensor as_bytes(const at::Tensor& codes, bool is_signed) {
  const at::Tensor in = in_channels_last(codes);
  at::Tensor bytes = at::empty_like(in, in.options().dtype(is_signed ? at::kChar : at::kByte));
  codes_to_bytes(in.data_ptr<float>(), static_cast<std::size_t>(in.numel()), 0,
                 static_cast<std::uint8_t*>(bytes.data_ptr()));
  return bytes;
}

/// The codes nearest to limits in units of `scale`; two of them at least.
CodeRange within(CodeRange range, const host::Limits& limits, double scale) {
  const auto code = [&](double value, std::int32_t low, std::int32_t high) {
    return static_cast<std::int32_t>(std::clamp<double>(std::floor(value / scale + 0.5), low, high));
  };
  range.low = code(limits.low, range.low, range.high - 1);
  range.high = code(limits.high, range.low + 1, range.high);
  return range;
}

}  // namespace

void require_convergence(bool converges) {
  if (!converges) throw Diverged();
}

QuantizedGraph::QuantizedGraph(const StartPoint& start, const std::vector<FloatLayer>& layers,
                               const host::Policy& policy, const Method& method, const ClippingTable& table)
    : start_(start), policy_(policy), bits_(host::tensor_bits(start.network, policy)), method_(method) {
  allocate(layers, table);
  find_stated(table);
  last_reader_.assign(start.network.tensors.size(), -1);
  for (std::size_t i = 0; i < start.steps.size(); ++i)
    for (const int input : layer_of(start.steps[i]).inputs) last_reader_.at(input) = static_cast<int>(i);
}

void QuantizedGraph::allocate(const std::vector<FloatLayer>& layers, const ClippingTable& table) {
  layers_.resize(layers.size());
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const FloatLayer& from = layers[i];
    LayerState& layer = layers_[i];
    layer.bits = policy_.layers.at(i).weight_bits;
    at::Tensor scales =
        table.weights.at(i)[static_cast<std::size_t>(width_index(layer.bits))].to(start_.device);
    if (method_.start_scale != nullptr)
      scales = method_.start_scale(from.weight.flatten(1), scales, layer.bits);
    layer.normalized = from.gain.defined();
    const at::Tensor ones = at::ones_like(scales);
    parameters_.add(layer.weight, from.weight, weight_rate(layer.bits));
    parameters_.add(layer.log_scale, scales.log(), method_.learns_weight_scales ? kScaleRate : 0);
    parameters_.add(layer.gain, layer.normalized ? from.gain : ones, layer.normalized ? 1 : 0);
    parameters_.add(layer.shift, layer.normalized ? from.shift : from.bias, 1);
    layer.mean = layer.normalized ? from.mean : at::zeros_like(scales);
    layer.inverse_deviation = layer.normalized ? from.variance.add(kBatchNormEpsilon).rsqrt() : ones;
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

void QuantizedGraph::find_stated(const ClippingTable& table) {
  const host::Network& network = start_.network;
  std::vector<bool> written(network.tensors.size(), false), narrow(network.tensors.size(), false);
  written.at(network.input) = start_.reads_pixels();
  const auto in_codes = [&](const host::Limits& limits, int tensor, int bits) {
    if (!has_scale(tensor)) return true;
    const double scale = table.activations.at(start_.classes.at(tensor))[width_index(bits)];
    return limits.step == scale && fits_codes(limits, code_range(bits, network.tensors[tensor].is_signed));
  };
  const auto reads_codes = [&](const host::Layer& layer, int tensor) {
    if (host::reads_narrow(bits_, layer, tensor)) return bool{narrow.at(tensor)};
    const host::Tensor& of = network.tensors[tensor];
    const bool narrowed = layer.has_weights() && of.narrow_limits.any() && of.narrow_limits != of.limits;
    return written.at(tensor) && !narrowed;
  };
  in_codes_.assign(layers_.size(), false);
  for (const Step& step : start_.steps) {
    const host::Layer& layer = layer_of(step);
    const host::Tensor& output = network.tensors[step.output];
    // Before a fused pool, or behind it: that is the same.
    const host::Limits& limits = output.limits.any() ? output.limits : network.tensors[layer.output].limits;
    bool exact = std::ranges::all_of(layer.inputs, [&](int input) { return reads_codes(layer, input); });
    if (layer.has_weights()) {
      const auto width = static_cast<std::size_t>(width_index(layers_.at(step.weight_layer).bits));
      exact = exact && method_.start_scale == nullptr &&
              table.weight_choices.at(step.weight_layer)[width] == Clipping::stated;
      in_codes_.at(step.weight_layer) = exact;
    }
    const bool keeps = layer.keeps_codes() && !limits.any();
    written.at(step.output) =
        exact && (keeps || in_codes(limits, step.output, bits_.written.at(step.output)));
    const int bits = bits_.narrow.at(step.output);
    narrow.at(step.output) =
        bits != 0 && written.at(step.output) && in_codes(output.narrow_limits, step.output, bits);
  }
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
  const int bits = bits_.written.at(step.output);
  return within(code_range(bits, start_.network.tensors.at(step.output).is_signed),
                start_.network.result_limits(layer_of(step)), scale_of(step.output, bits));
}

CodeRange QuantizedGraph::narrow_range(int tensor) const {
  const host::Tensor& of = start_.network.tensors.at(tensor);
  const int bits = bits_.narrow.at(tensor);
  return within(code_range(bits, of.is_signed), of.narrow_limits, scale_of(tensor, bits));
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
  at::Tensor offset = per_filter([&](float shift, float gain, float inverse,
                                     float m) { return (shift - gain * inverse * m) * per_unit; },
                                 layer.shift.value, layer.gain.value, inverse_deviation, mean);
  if (!is_logits(step.output)) offset = per_filter(round_to_parts, offset);
  Affine affine;
  affine.multiplier = per_filter(round_to_multiplier, exact);
  affine.offset = per_filter(round_to_bias, offset, affine.multiplier);
  if (step.layer->activation == host::Activation::leaky_relu) {
    affine.slope = at::tensor(step.layer->negative_slopes, exact.options()).expand_as(exact);
    affine.negative_multiplier = per_filter(round_to_multiplier, affine.multiplier * affine.slope);
    affine.negative_offset = per_filter(round_to_bias, offset * affine.slope, affine.negative_multiplier);
  }
  return affine;
}

Affine QuantizedGraph::pool_affine(const Step& step, int taps) const {
  return single_affine(scale_of(step.input, bits_.written.at(step.input)) /
                           (taps * scale_of(step.output, bits_.written.at(step.output))),
                       start_.device);
}

std::vector<QuantizedGraph::PoolPart> QuantizedGraph::pool_parts(const Step& step,
                                                                 const at::Tensor& input) const {
  std::vector<PoolPart> parts;
  const std::vector<int> counts = host::counted_taps(start_.network, *step.layer);
  if (counts.size() == 1) return {{pool_affine(step, counts.front()), {}}};
  const at::Tensor places = counted_taps(*step.layer, input);
  for (const int taps : counts) parts.push_back({pool_affine(step, taps), places.eq(taps)});
  return parts;
}

Affine QuantizedGraph::product_affine(const Step& step) const {
  const auto scale = [&](int input) { return scale_of(input, bits_.written.at(input)); };
  return single_affine(scale(step.layer->inputs[0]) * scale(step.layer->inputs[1]) /
                           scale_of(step.output, bits_.written.at(step.output)),
                       start_.device);
}

SharedMultipliers QuantizedGraph::add_multipliers(const Step& step) const {
  const double result = scale_of(step.output, bits_.written.at(step.output));
  const auto scale = [&](int input) { return scale_of(input, bits_.written.at(input)) / result; };
  return share_multipliers(scale(step.layer->inputs[0]), scale(step.layer->inputs[1]));
}

int QuantizedGraph::zero_of(int tensor) const {
  return code_range(bits_.written.at(tensor), start_.network.tensors.at(tensor).is_signed).zero;
}

int QuantizedGraph::least_code(const Step& step) const { return -zero_of(step.input); }

FunctionTable QuantizedGraph::function_table_of(const Step& step) const {
  return function_table(host::Function(step.layer->function), least_code(step),
                        scale_of(step.input, bits_.written.at(step.input)),
                        scale_of(step.output, bits_.written.at(step.output)), range_of(step));
}

Affine QuantizedGraph::narrowing_affine(int tensor) const {
  return single_affine(scale_of(tensor, bits_.written.at(tensor)) / scale_of(tensor, bits_.narrow.at(tensor)),
                       start_.device);
}

const at::Tensor& QuantizedGraph::form(const Pass& pass, const host::Layer& layer, int tensor) const {
  const Forms& forms = pass.tensors.at(tensor);
  return host::reads_narrow(bits_, layer, tensor) ? forms.narrow : forms.written;
}

at::Tensor QuantizedGraph::as_multiplied(const Step& step, const at::Tensor& input) const {
  if (step.layer->kind == LayerKind::linear) return input.flatten(1);
  return pads_evenly(step.layer->pad) ? input : padded(input, step.layer->pad);
}

bool QuantizedGraph::multiplies_bytes(const Step& step, const at::Tensor& input,
                                      const at::Tensor& values) const {
  // Pixels less their mean are no bytes.
  if (!input.is_cpu() || !has_scale(step.input)) return false;
  const at::Tensor flat = values.flatten(1);
  // Also of weights that are no numbers: that they diverged is told elsewhere.
  if (!(flat.max().item<float>() <= std::numeric_limits<std::int8_t>::max())) return false;
  const at::Tensor sizes = flat.abs();
  const bool is_signed = start_.network.tensors.at(step.input).is_signed;
  const std::int64_t code = (std::int64_t{1} << bits_.read(step.input)) - 1;
  return ByteConvolution::is_exact(code, sizes.max().item<std::int64_t>(), is_signed) &&
         sizes.sum(1).max().item<double>() * static_cast<double>(code) < kExactInFloat;
}

at::Tensor QuantizedGraph::multiply(const Step& step, const at::Tensor& input,
                                    const at::Tensor& values) const {
  if (step.layer->kind == LayerKind::linear) return at::linear(input, values);
  const host::Layer& layer = *step.layer;
  if (multiplies_bytes(step, input, values)) {
    host::Window window = layer.window();
    window.height = static_cast<int>(values.size(2));
    window.width = static_cast<int>(values.size(3));
    if (!pads_evenly(layer.pad)) window.pad = 0;
    const ByteConvolution convolution(values, window, groups_of(input, values));
    return convolution(as_bytes(input, start_.network.tensors.at(step.input).is_signed), at::kFloat);
  }
  return at::conv2d(input, values, {}, sides(layer.stride), own_padding(layer.pad, pads_evenly(layer.pad)),
                    sides(layer.dilation), groups_of(input, values));
}

bool QuantizedGraph::takes_statistics(const Step& step, Statistics statistics) const {
  const bool corrects = float_means_ != nullptr;
  if (statistics == Statistics::stored) return false;
  if (corrects && in_codes_.at(step.weight_layer)) return false;
  return corrects || layers_.at(step.weight_layer).normalized;
}

void QuantizedGraph::settle_statistics(const Step& step, Saved& saved, Statistics statistics,
                                       const Moments& moments) {
  LayerState& layer = layers_.at(step.weight_layer);
  // Of the real-valued result before normalization.
  const auto input = static_cast<float>(scale_of(step.input, bits_.read(step.input)));
  const at::Tensor mean =
      per_filter([&](float m, float scale, float sign) { return m * (scale * input) * sign; }, moments.mean,
                 saved.weights.scale, saved.weights.sign);
  if (!layer.normalized) {
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

QuantizedGraph::Saved QuantizedGraph::start_of(const Step& step) const {
  const LayerState& layer = layers_.at(step.weight_layer);
  Saved saved;
  saved.weights = quantized_weights(step);
  saved.mean = layer.mean;
  saved.inverse_deviation = layer.inverse_deviation;
  return saved;
}

at::Tensor QuantizedGraph::written_codes(const Step& step, const at::Tensor& pooled,
                                         const Affine& affine) const {
  if (!is_logits(step.output)) return round_to_codes(pooled, affine, range_of(step));
  return at::addcmul(channel(affine.offset, pooled), pooled, channel(affine.multiplier, pooled));
}

at::Tensor QuantizedGraph::forward_weights(const Step& step, const at::Tensor& input, Saved& saved,
                                           Statistics statistics) {
  saved = start_of(step);
  saved.input = as_multiplied(step, input);
  saved.sums = multiply(step, saved.input, saved.weights.values);
  if (takes_statistics(step, statistics)) settle_statistics(step, saved, statistics, moments_of(saved.sums));
  saved.pooled = step.pool != nullptr ? max_pool(*step.pool, saved.sums) : saved.sums;
  saved.affine = affine_of(step, saved.weights, saved.mean, saved.inverse_deviation);
  return written_codes(step, saved.pooled, saved.affine);
}

at::Tensor QuantizedGraph::forward_slices(const Step& step, const at::Tensor& input, Statistics statistics) {
  Saved saved = start_of(step);
  const bool takes = takes_statistics(step, statistics);
  const std::int64_t images = input.size(0), size = slice_images(start_.network, *step.layer);
  MomentSums moments;
  std::vector<at::Tensor> slices;
  for (std::int64_t first = 0; first < images; first += size) {
    const at::Tensor part = input.narrow(0, first, std::min(size, images - first));
    const at::Tensor sums = multiply(step, as_multiplied(step, part), saved.weights.values);
    if (takes) moments.add(sums);
    slices.push_back(step.pool != nullptr ? max_pool(*step.pool, sums) : sums);
  }
  if (takes) settle_statistics(step, saved, statistics, moments.moments());
  const Affine affine = affine_of(step, saved.weights, saved.mean, saved.inverse_deviation);
  if (slices.size() == 1) return written_codes(step, slices.front(), affine);
  std::vector<std::int64_t> sizes = slices.front().sizes().vec();
  sizes.front() = images;
  const auto format = slices.front().suggest_memory_format();
  at::Tensor codes = at::empty(sizes, slices.front().options(), format);
  for (std::int64_t first = 0; at::Tensor & slice : slices) {
    const std::int64_t count = slice.size(0);
    at::Tensor place = codes.narrow(0, first, count);
    if (is_logits(step.output))
      place.copy_(written_codes(step, slice, affine));
    else
      round_to_codes(slice, affine, range_of(step), place);
    slice.reset();
    first += count;
  }
  return codes;
}

at::Tensor QuantizedGraph::forward_step(const Step& step, const Pass& pass, Saved* saved_or_null,
                                        Statistics statistics) {
  Saved unsaved;
  Saved& saved = saved_or_null != nullptr ? *saved_or_null : unsaved;
  const host::Layer& layer = layer_of(step);
  const at::Tensor& input = form(pass, layer, step.input);
  switch (layer.kind) {
    case LayerKind::max_pool:
      return max_pool(layer, input);
    case LayerKind::average_pool: {
      saved.sums = window_sums(layer, input);
      at::Tensor codes;
      for (const PoolPart& part : pool_parts(step, input)) {
        const at::Tensor own = round_to_codes(saved.sums, part.affine, range_of(step));
        codes = codes.defined() ? at::where(part.mask, own, codes) : own;
      }
      return codes;
    }
    case LayerKind::add:
      saved.multipliers = add_multipliers(step);
      return add_codes(input, form(pass, layer, layer.inputs[1]),
                       saved.multipliers.value(saved.multipliers.first),
                       saved.multipliers.value(saved.multipliers.second), range_of(step));
    case LayerKind::product:
      saved.affine = product_affine(step);
      saved.sums = input * form(pass, layer, layer.inputs[1]);
      return round_to_codes(saved.sums, saved.affine, range_of(step));
    case LayerKind::function:
      saved.table = function_table_of(step);
      return looked_up(saved.table.codes, input, least_code(step));
    case LayerKind::concat:
    case LayerKind::interleave: {
      std::vector<at::Tensor> parts;
      for (const int tensor : layer.inputs) parts.push_back(form(pass, layer, tensor));
      return layer.kind == LayerKind::concat ? at::cat(parts, 1) : interleaved(parts, layer.stride);
    }
    case LayerKind::upsample:
      return upsampled(input, layer.stride);
    case LayerKind::select:
      return selected_channels(input, layer.channels);
    default:
      if (saved_or_null == nullptr && input.is_cpu()) return forward_slices(step, input, statistics);
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
  run_steps(used, 0, statistics, /*goes_backward=*/pass != nullptr);
  const int output = network.output();
  const at::Tensor result = class_logits(used.tensors.at(output).written);
  return is_logits(output) ? result : result * scale_of(output, bits_.written.at(output));
}

void QuantizedGraph::run_steps(Pass& pass, std::size_t first, Statistics statistics, bool goes_backward,
                               const AfterStep& after) {
  for (std::size_t i = first; i < start_.steps.size(); ++i) {
    const Step& step = start_.steps[i];
    set_forms(step, forward_step(step, pass, goes_backward ? &pass.steps[i] : nullptr, statistics), pass);
    if (after) after(i);
    if (goes_backward) continue;
    for (const int input : layer_of(step).inputs)
      if (last_reader_.at(input) == static_cast<int>(i)) pass.tensors.at(input) = {};
  }
}

void QuantizedGraph::set_forms(const Step& step, const at::Tensor& codes, Pass& pass) const {
  Forms& forms = pass.tensors.at(step.output);
  forms.written = codes.view(image_sizes(start_.network.tensors.at(step.output).shape, codes.size(0)));
  if (bits_.narrow.at(step.output) != 0)
    forms.narrow = round_to_codes(forms.written, narrowing_affine(step.output), narrow_range(step.output));
}

void QuantizedGraph::correct_biases(const at::Tensor& images, const std::vector<at::Tensor>& float_means,
                                    CodeMemory* memory, const std::string& name) {
  const at::NoGradGuard no_grad;
  float_means_ = &float_means;
  Pass pass;
  pass.tensors.resize(start_.network.tensors.size());
  pass.tensors.at(start_.network.input).written = images;
  std::size_t first = 0;
  AfterStep after;
  if (memory != nullptr) {
    std::vector<bool> kept = carries_all(start_.network, start_.steps);
    for (std::size_t i = 0; i < kept.size(); ++i) kept[i] = kept[i] && !is_logits(start_.steps[i].output);
    const std::vector<std::string> all = keys(name);
    first = begin_with(*memory, kept, all, pass, images.size(0));
    after = [this, memory, kept, all, &pass](std::size_t i) {
      const at::Tensor& written = pass.tensors.at(start_.steps[i].output).written;
      if (kept[i] && written.is_cpu() && memory->wants(all[i], static_cast<std::size_t>(written.numel())))
        keep(start_.steps[i], i + 1, written, all[i], *memory);
    };
  }
  run_steps(pass, first, Statistics::re_estimated, /*goes_backward=*/false, after);
  float_means_ = nullptr;
}

std::vector<std::string> QuantizedGraph::keys(const std::string& name) const {
  std::vector<std::string> result;
  std::string before = name;
  for (const Step& step : start_.steps) {
    std::string widths = fmt::format("{}:{}", step.weight_layer < 0 ? 0 : layers_.at(step.weight_layer).bits,
                                     bits_.written.at(step.output));
    for (const int input : layer_of(step).inputs) widths += fmt::format(",{}", bits_.narrow.at(input));
    result.push_back(before = Sha256().add(before).add(widths).hex());
  }
  return result;
}

void QuantizedGraph::keep(const Step& step, std::size_t steps, const at::Tensor& written,
                          const std::string& key, CodeMemory& memory) const {
  CodeMemory::Entry entry;
  entry.channels_last = pixels_in_rows(written);
  const at::Tensor dense = entry.channels_last ? written : written.contiguous();
  entry.codes.resize(static_cast<std::size_t>(dense.numel()));
  codes_to_bytes(dense.data_ptr<float>(), entry.codes.size(), static_cast<float>(zero_of(step.output)),
                 entry.codes.data());
  for (std::size_t i = 0; i < steps; ++i) {
    if (start_.steps[i].weight_layer < 0) continue;
    const LayerState& layer = layers_.at(start_.steps[i].weight_layer);
    for (const at::Tensor& numbers : {layer.mean, layer.inverse_deviation, layer.shift.value}) {
      const at::Tensor here = numbers.contiguous();
      entry.with.emplace_back(here.data_ptr<float>(), here.data_ptr<float>() + here.numel());
    }
  }
  memory.keep(key, std::move(entry));
}

std::size_t QuantizedGraph::begin_with(CodeMemory& memory, const std::vector<bool>& kept,
                                       const std::vector<std::string>& keys, Pass& pass,
                                       std::int64_t images) {
  for (std::size_t behind = start_.steps.size(); behind > 0; --behind) {
    const Step& step = start_.steps[behind - 1];
    const CodeMemory::Entry* entry = kept[behind - 1] ? memory.find(keys[behind - 1]) : nullptr;
    if (entry == nullptr) continue;
    at::Tensor codes =
        at::empty(image_sizes(start_.network.tensors.at(step.output).shape, images), at::kFloat,
                  entry->channels_last ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous);
    bytes_to_codes(entry->codes.data(), entry->codes.size(), static_cast<float>(zero_of(step.output)),
                   codes.data_ptr<float>());
    set_forms(step, codes, pass);
    auto numbers = entry->with.begin();
    const auto taken = [&] {
      const std::vector<float>& next = *numbers++;
      return at::tensor(next);
    };
    for (std::size_t i = 0; i < behind; ++i) {
      if (start_.steps[i].weight_layer < 0) continue;
      LayerState& layer = layers_.at(start_.steps[i].weight_layer);
      layer.mean = taken();
      layer.inverse_deviation = taken();
      layer.shift.value.copy_(taken());
    }
    return behind;
  }
  return 0;
}

}  // namespace bitloop::quant
