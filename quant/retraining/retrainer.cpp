#include "quant/retraining/retrainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "host/error.h"
#include "quant/order.h"
#include "quant/pooling.h"

namespace bitloop::quant {
namespace {

// Adam (Kingma & Ba 2015); a short run wants a shorter memory of squares than 0.999.
constexpr double kFirstDecay = 0.9;
constexpr double kSecondDecay = 0.99;
constexpr double kAdamEpsilon = 1e-8;
// Scales are trained as logarithms: a step is a share of the scale, whatever its size. LSQ's gradient scale
// 1/sqrt(N*Qp) serves plain gradient descent; Adam divides any such factor out again.
constexpr double kScaleRate = 0.1;
// Weights of few values must move far before one of them changes. Measured on LeNet.
constexpr double weight_rate(int bits) { return bits == 1 ? 4 : bits == 2 ? 2 : bits == 4 ? 1 : 0.5; }
// Share of the steps with each batch's own statistics, which follow the weights; then with re-estimated and
// fixed ones, so that the end of training sees the very integers that come out of it.
constexpr double kMovingShare = 0.6;
constexpr std::int64_t kStatisticImages = 512;
constexpr std::int64_t kImageScale = 255;

int width_index(int bits) {
  return static_cast<int>(std::ranges::find(host::kWidths, bits) - std::begin(host::kWidths));
}

/// [filter] to a shape that multiplies [filter, ...].
at::Tensor column(const at::Tensor& per_filter, const at::Tensor& like) {
  return like.dim() == 4 ? per_filter.view({-1, 1, 1, 1}) : per_filter.view({-1, 1});
}

/// [filter] to a shape that multiplies [image, filter, ...].
at::Tensor channel(const at::Tensor& per_filter, const at::Tensor& like) {
  return like.dim() == 4 ? per_filter.view({1, -1, 1, 1}) : per_filter.view({1, -1});
}

at::Tensor sum_per_filter(const at::Tensor& t) { return t.dim() == 4 ? t.sum({0, 2, 3}) : t.sum(0); }

}  // namespace

Retrainer::Retrainer(const StartPoint& start, const host::Policy& policy, const Retraining& options)
    : start_(start),
      options_(options),
      tensor_bits_(host::tensor_bits(start.network, policy).written),
      policy_(policy) {
  allocate(policy);
  std::mt19937_64 generator(options.seed);
  order_ = shuffled_order(start.pixels.size(0), generator);
}

void Retrainer::allocate(const host::Policy& policy) {
  struct Slot {
    Parameter* parameter;
    at::Tensor start;
    double rate;
  };
  std::vector<Slot> slots;
  layers_.resize(start_.layers.size());
  activation_log_scales_.resize(start_.network.tensors.size());
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const FloatLayer& from = start_.layers[i];
    LayerState& layer = layers_[i];
    layer.bits = policy.layers.at(i).weight_bits;
    const at::Tensor scales = start_.weight_scales[i][width_index(layer.bits)];
    const bool normalized = from.gain.defined();
    const at::Tensor ones = at::ones_like(scales);
    slots.push_back({&layer.weight, from.weight, weight_rate(layer.bits)});
    slots.push_back({&layer.log_scale, scales.log(), kScaleRate});
    slots.push_back({&layer.gain, normalized ? from.gain : ones, normalized ? 1.0 : 0.0});
    slots.push_back({&layer.shift, normalized ? from.shift : from.bias, 1.0});
    layer.mean = normalized ? from.mean : at::zeros_like(scales);
    layer.inverse_deviation = normalized ? from.variance.add(kBatchNormEpsilon).rsqrt() : ones;
  }
  for (const Step& step : start_.steps) {
    if (step.layer == nullptr || step.output == start_.network.output()) continue;
    const int owner = start_.owners.at(step.output);
    const double scale = start_.activation_scales.at(owner)[width_index(tensor_bits_.at(owner))];
    slots.push_back({&activation_log_scales_.at(owner), at::scalar_tensor(std::log(scale)), kScaleRate});
  }

  std::vector<at::Tensor> values, rates;
  for (const Slot& slot : slots) {
    values.push_back(slot.start.flatten());
    rates.push_back(at::full({slot.start.numel()}, slot.rate));
  }
  values_ = at::cat(values);
  rates_ = at::cat(rates);
  gradients_ = at::zeros_like(values_);
  first_moment_ = at::zeros_like(values_);
  second_moment_ = at::zeros_like(values_);
  std::int64_t first = 0;
  for (const Slot& slot : slots) {
    const std::int64_t count = slot.start.numel();
    slot.parameter->value = values_.narrow(0, first, count).view(slot.start.sizes());
    slot.parameter->gradient = gradients_.narrow(0, first, count).view(slot.start.sizes());
    first += count;
  }
}

at::Tensor Retrainer::scale_of(int tensor) const {
  const int owner = start_.owners.at(tensor);
  if (owner == start_.network.input) return at::scalar_tensor(1.0 / kImageScale);
  if (owner == start_.network.output()) return at::scalar_tensor(1.0);
  return activation_log_scales_.at(owner).value.exp();
}

CodeRange Retrainer::range_of(const host::Layer& layer) const {
  CodeRange range =
      code_range(tensor_bits_.at(layer.output), start_.network.tensors.at(layer.output).is_signed);
  if (layer.activation != host::Activation::none) range.low = 0;
  if (layer.activation == host::Activation::relu6) {
    const double top = std::floor(6 / scale_of(layer.output).item<double>() + 0.5);
    range.high = static_cast<std::int32_t>(std::clamp<double>(top, 1, range.high));
  }
  return range;
}

at::Tensor Retrainer::batch_images(const at::Tensor& chosen) const {
  const std::vector<float> zero(start_.image_zero.begin(), start_.image_zero.end());
  return start_.pixels.index_select(0, chosen).to(at::kFloat).sub_(at::tensor(zero).view({1, -1, 1, 1}));
}

at::Tensor Retrainer::as_read(const Step& step, const at::Tensor& input) const {
  const host::Shape& shape = start_.network.tensors.at(step.input).shape;
  return step.layer->kind == host::LayerKind::linear
             ? input.flatten(1)
             : input.view({input.size(0), shape.channels, shape.height, shape.width});
}

void Retrainer::quantize_weights(const Step& step, Saved& saved) const {
  const LayerState& layer = layers_.at(step.weight_layer);
  const at::Tensor& weight = layer.weight.value;
  saved.ratio = weight / column(layer.log_scale.value.exp(), weight);
  saved.sign = layer.gain.value.ge(0).to(at::kFloat).mul_(2).sub_(1);
  saved.values = weight_values(saved.ratio, layer.bits).mul_(column(saved.sign, weight));
}

at::Tensor Retrainer::multiply(const Step& step, const Saved& saved) const {
  return step.layer->kind == host::LayerKind::conv
             ? at::conv2d(saved.input, saved.values, {}, step.layer->stride, step.layer->pad)
             : at::linear(saved.input, saved.values);
}

/// Of the real-valued result before normalization.
void Retrainer::batch_statistics(const Step& step, const Saved& saved, at::Tensor& mean,
                                 at::Tensor& variance) const {
  const LayerState& layer = layers_.at(step.weight_layer);
  const at::Tensor unit = layer.log_scale.value.exp() * scale_of(step.input);
  std::tie(mean, variance) = at::batch_norm_update_stats(saved.sums, {}, {}, 0);
  mean = mean * unit * saved.sign;
  variance = variance * unit.square();
}

Retrainer::Affine Retrainer::affine_of(const Step& step, const Saved& saved) const {
  const LayerState& layer = layers_.at(step.weight_layer);
  const at::Tensor slope = layer.gain.value * saved.inverse_deviation;
  const at::Tensor inverse_scale = scale_of(step.output).reciprocal();
  const at::Tensor unit = layer.log_scale.value.exp() * (scale_of(step.input) * inverse_scale);
  return {round_to_multiplier(slope.abs() * unit), (layer.shift.value - slope * saved.mean) * inverse_scale};
}

at::Tensor Retrainer::forward_step(const Step& step, const at::Tensor& input, Saved& saved,
                                   Statistics statistics) const {
  if (step.layer == nullptr) {
    saved.input = input;
    auto [values, indices] = max_pool_with_indices(*step.pool, input);
    saved.pool_indices = indices;
    return values;
  }
  const LayerState& layer = layers_.at(step.weight_layer);
  saved.input = as_read(step, input);
  quantize_weights(step, saved);
  saved.sums = multiply(step, saved);
  saved.mean = layer.mean;
  saved.inverse_deviation = layer.inverse_deviation;
  if (step.layer->batch_norm && statistics == Statistics::of_batch) {
    at::Tensor variance;
    batch_statistics(step, saved, saved.mean, variance);
    saved.inverse_deviation = variance.add_(kBatchNormEpsilon).rsqrt_();
  }
  saved.pooled = saved.sums;
  if (step.pool != nullptr) {
    auto [values, indices] = max_pool_with_indices(*step.pool, saved.sums);
    saved.pooled = values;
    saved.pool_indices = indices;
  }
  saved.affine = affine_of(step, saved);
  if (step.output == start_.network.output())
    return at::addcmul(channel(saved.affine.offset, saved.pooled), saved.pooled,
                       channel(saved.affine.multiplier, saved.pooled));
  saved.range = range_of(*step.layer);
  auto [codes, exact] =
      requantize_codes(saved.pooled, saved.affine.multiplier, saved.affine.offset, saved.range);
  saved.exact = exact;
  return codes;
}

at::Tensor Retrainer::forward(const at::Tensor& images, std::vector<Saved>& saved,
                              Statistics statistics) const {
  std::vector<at::Tensor> tensors(start_.network.tensors.size());
  tensors.at(start_.network.input) = images;
  saved.assign(start_.steps.size(), {});
  for (std::size_t i = 0; i < start_.steps.size(); ++i) {
    const Step& step = start_.steps[i];
    tensors.at(step.output) = forward_step(step, tensors.at(step.input), saved[i], statistics);
  }
  return tensors.at(start_.network.output()).flatten(1);
}

void Retrainer::estimate_statistics() {
  const std::int64_t count = std::min(kStatisticImages, order_.size(0));
  std::vector<at::Tensor> tensors(start_.network.tensors.size());
  tensors.at(start_.network.input) = batch_images(order_.narrow(0, 0, count));
  for (const Step& step : start_.steps) {
    // Layer by layer on one large batch: each sees its inputs as they will be.
    Saved saved;
    if (step.layer != nullptr) {
      LayerState& layer = layers_.at(step.weight_layer);
      saved.input = as_read(step, tensors.at(step.input));
      quantize_weights(step, saved);
      saved.sums = multiply(step, saved);
      at::Tensor mean, variance;
      batch_statistics(step, saved, mean, variance);
      if (step.layer->batch_norm) {
        layer.mean = mean;
        layer.inverse_deviation = variance.add_(kBatchNormEpsilon).rsqrt_();
      } else if (updates_ == 0) {
        layer.shift.value.copy_(start_.float_means.at(step.weight_layer) - mean);
      }
    }
    tensors.at(step.output) = forward_step(step, tensors.at(step.input), saved, Statistics::stored);
  }
}

at::Tensor Retrainer::backward_step(const Step& step, const Saved& saved, const at::Tensor& above,
                                    Statistics statistics) {
  if (step.layer == nullptr)
    return max_pool_gradient(*step.pool, above.view(saved.pool_indices.sizes()), saved.input,
                             saved.pool_indices);
  const at::Tensor gradient = above.view(saved.pooled.sizes());
  LayerState& layer = layers_.at(step.weight_layer);
  const bool last = step.output == start_.network.output();
  const bool batch = step.layer->batch_norm && statistics == Statistics::of_batch;

  // Through rounding and the affine map: codes = multiplier * d + offset.
  const at::Tensor g = last ? gradient : requantize_gradient(gradient, saved.exact, saved.range);
  const at::Tensor g_offset = sum_per_filter(g);
  const at::Tensor g_multiplier = sum_per_filter(g * saved.pooled);
  at::Tensor g_sums = g * channel(saved.affine.multiplier, g);
  if (step.pool != nullptr) g_sums = max_pool_gradient(*step.pool, g_sums, saved.sums, saved.pool_indices);

  const at::Tensor inverse_scale = scale_of(step.output).reciprocal();
  const at::Tensor g_log_multiplier = g_multiplier * saved.affine.multiplier;
  layer.shift.gradient.copy_(g_offset * inverse_scale);
  if (!last)
    activation_log_scales_.at(start_.owners.at(step.output))
        .gradient.sub_((g_log_multiplier + g_offset * saved.affine.offset).sum());

  const at::Tensor unit = layer.log_scale.value.exp() * scale_of(step.input);  // real value of one unit of d
  at::Tensor g_log_unit = g_log_multiplier;
  if (step.layer->batch_norm) {
    const at::Tensor signed_unit = unit * saved.sign;
    // normalized = (d * signed_unit - mean) * inverse_deviation; its products with the gradient, per filter.
    const at::Tensor g_normalized =
        (g_multiplier * signed_unit - g_offset * saved.mean) * saved.inverse_deviation * inverse_scale;
    layer.gain.gradient.copy_(g_normalized);
    if (batch) {
      // The batch's mean and deviation depend on every d.
      const double count = static_cast<double>(saved.sums.numel() / saved.sums.size(1));
      const at::Tensor mean_d = saved.mean / signed_unit;
      const at::Tensor factor = saved.affine.multiplier / count;
      const at::Tensor deviation_unit = (saved.inverse_deviation * unit);
      // d_hat = (d - mean_d) * deviation_unit; g_d -= factor * (g_offset + d_hat * sum(g * d_hat)).
      const at::Tensor g_hat = (g_multiplier - g_offset * mean_d) * deviation_unit;
      const at::Tensor slope = factor * g_hat * deviation_unit;
      g_sums = g_sums.sub_(at::addcmul(channel(factor * g_offset - slope * mean_d, saved.sums), saved.sums,
                                       channel(slope, saved.sums)));
      g_log_unit = at::zeros_like(g_log_multiplier);  // normalization undoes any scale
    }
  }
  if (start_.owners.at(step.input) != start_.network.input)
    activation_log_scales_.at(start_.owners.at(step.input)).gradient.add_(g_log_unit.sum());

  // Through the product.
  const bool to_input = step.input != start_.network.input;
  at::Tensor g_input, g_values;
  if (step.layer->kind == host::LayerKind::conv) {
    const std::int64_t stride = step.layer->stride, pad = step.layer->pad;
    std::tie(g_input, g_values, std::ignore) = at::convolution_backward(
        g_sums, saved.input, saved.values, at::OptionalIntArrayRef(), {stride, stride}, {pad, pad}, {1, 1},
        false, {0, 0}, 1, {to_input, true, false});
  } else {
    g_values = g_sums.t().mm(saved.input);
    if (to_input) g_input = g_sums.mm(saved.values);
  }

  // Through the weights' rounding: value = ratio where it passes.
  const at::Tensor g_ratio =
      g_values.mul_(weight_pass(saved.ratio, layer.bits)).mul_(column(saved.sign, g_values));
  at::mul_out(layer.weight.gradient, g_ratio, column(layer.log_scale.value.neg().exp_(), g_ratio));
  layer.log_scale.gradient.copy_(g_log_unit - (g_ratio * saved.ratio).flatten(1).sum(1));
  return g_input;
}

void Retrainer::backward(const std::vector<Saved>& saved, const at::Tensor& gradient, Statistics statistics) {
  gradients_.zero_();
  std::vector<at::Tensor> gradients(start_.network.tensors.size());
  gradients.at(start_.network.output()) = gradient;
  for (std::size_t i = start_.steps.size(); i-- > 0;) {
    const Step& step = start_.steps[i];
    const at::Tensor& above = gradients.at(step.output);
    const at::Tensor below = backward_step(step, saved[i], above, statistics);
    if (!below.defined()) continue;
    at::Tensor& sum = gradients.at(step.input);
    sum = sum.defined() ? sum + below.flatten(1) : below.flatten(1);
  }
}

void Retrainer::optimize(double rate) {
  ++updates_;
  const double first = 1 - std::pow(kFirstDecay, static_cast<double>(updates_));
  const double second = 1 - std::pow(kSecondDecay, static_cast<double>(updates_));
  first_moment_.mul_(kFirstDecay).add_(gradients_, 1 - kFirstDecay);
  second_moment_.mul_(kSecondDecay).addcmul_(gradients_, gradients_, 1 - kSecondDecay);
  const at::Tensor divisor = second_moment_.sqrt().mul_(1 / std::sqrt(second)).add_(kAdamEpsilon);
  values_.addcdiv_(first_moment_ * rates_, divisor, -rate / first);
}

void Retrainer::retrain() {
  const std::int64_t all = order_.size(0);
  const std::int64_t images = options_.images > 0 ? std::min<std::int64_t>(options_.images, all) : all;
  const std::int64_t batch = std::min<std::int64_t>(options_.batch, images);
  const std::int64_t batches = images / batch;
  const double steps = static_cast<double>(batches * options_.epochs);
  const auto moving = static_cast<std::int64_t>(kMovingShare * steps);
  std::mt19937_64 generator(options_.seed + 1);
  std::vector<Saved> saved;
  std::int64_t done = 0;
  for (int epoch = 0; epoch < options_.epochs; ++epoch) {
    const at::Tensor order = order_.narrow(0, 0, images).index_select(0, shuffled_order(images, generator));
    for (std::int64_t i = 0; i < batches; ++i, ++done) {
      if (done == moving && moving > 0) estimate_statistics();
      const Statistics statistics = done < moving ? Statistics::of_batch : Statistics::stored;
      const at::Tensor chosen = order.narrow(0, i * batch, batch);
      const at::Tensor logits = forward(batch_images(chosen), saved, statistics);
      const at::Tensor gradient =
          logits.softmax(1).sub_(start_.targets.index_select(0, chosen)).div_(static_cast<double>(batch));
      backward(saved, gradient, statistics);
      optimize(options_.learning_rate * 0.5 * (1 + std::cos(M_PI * static_cast<double>(done) / steps)));
    }
  }
}

double Retrainer::output_scale(const Step& step) const {
  Saved saved;
  quantize_weights(step, saved);
  const LayerState& layer = layers_.at(step.weight_layer);
  saved.mean = layer.mean;
  saved.inverse_deviation = layer.inverse_deviation;
  const auto [multiplier, offset] = affine_of(step, saved);
  // A bound on every logit, so that 32 bits cannot overflow; and no multiplier beyond 2^8, which is
  // resolution enough.
  const double largest_code = std::ldexp(1.0, tensor_bits_.at(step.input)) - 1;
  const double bound =
      (saved.values.abs().flatten(1).sum(1) * multiplier * largest_code + offset.abs()).max().item<double>();
  const double scale =
      std::max(bound / std::ldexp(1.0, 30), multiplier.max().item<double>() / std::ldexp(1.0, 8));
  // A power of two leaves the multipliers' 16 bits as they were in training.
  return std::exp2(std::ceil(std::log2(std::max(scale, 1e-30))));
}

host::QuantizedLayer Retrainer::layer_integers(const Step& step, double output_scale) const {
  Saved saved;
  quantize_weights(step, saved);
  const LayerState& layer = layers_.at(step.weight_layer);
  saved.mean = layer.mean;
  saved.inverse_deviation = layer.inverse_deviation;
  const auto [multiplier, offset] = affine_of(step, saved);

  const host::Network& network = start_.network;
  const host::Shape& in = network.input_shape(*step.layer);
  host::QuantizedLayer integers;
  integers.weight_bits = layer.bits;
  const at::Tensor codes = weight_codes(saved.values, layer.bits).contiguous();
  integers.weights.assign(codes.data_ptr<std::uint8_t>(), codes.data_ptr<std::uint8_t>() + codes.numel());
  if (step.input == network.input) {
    integers.pad_codes = start_.image_zero;
  } else {
    const int bits = tensor_bits_.at(step.input);
    const CodeRange range = code_range(bits, network.tensors.at(step.input).is_signed);
    integers.pad_codes.assign(in.channels, static_cast<std::uint8_t>(range.zero));
  }

  // Training subtracts the zero code from every input; the hardware does not, so that its bias does.
  std::vector<double> zero(integers.pad_codes.begin(), integers.pad_codes.end());
  const at::Tensor zero_sums = (saved.values.to(at::kDouble).view({saved.values.size(0), in.channels, -1}) *
                                at::tensor(zero, at::kDouble).view({1, -1, 1}))
                                   .flatten(1)
                                   .sum(1);
  const at::Tensor m = multiplier.to(at::kDouble).div_(output_scale);
  const at::Tensor b = offset.to(at::kDouble).div_(output_scale).sub_(m * zero_sums);
  for (std::int64_t f = 0; f < m.numel(); ++f)
    integers.requantization.push_back(to_requantization(m[f].item<double>(), b[f].item<double>()));

  if (step.output == network.output()) {
    integers.range = {0, std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max()};
  } else {
    const CodeRange range = range_of(*step.layer);
    integers.range = {range.zero, range.low + range.zero, range.high + range.zero};
  }
  return integers;
}

QuantizedModel Retrainer::integers() const {
  QuantizedModel model;
  model.integers.network = start_.network;
  model.integers.policy = policy_;
  model.integers.bits = host::tensor_bits(start_.network, policy_);
  model.integers.layers.resize(start_.network.layers.size());
  model.integers.narrowing.resize(start_.network.tensors.size());
  model.tensor_scales.resize(start_.network.tensors.size());
  model.weight_scales.resize(start_.network.layers.size());
  for (const Step& step : start_.steps) {
    if (step.layer == nullptr) continue;
    const bool last = step.output == start_.network.output();
    const double scale = last ? output_scale(step) : 1;
    if (last) model.tensor_scales.at(step.output).written = scale;
    model.integers.layers.at(step.index) = layer_integers(step, scale);
  }
  return model;
}

}  // namespace bitloop::quant
