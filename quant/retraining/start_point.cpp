#include "quant/retraining/start_point.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "host/base/error.h"
#include "quant/data/batches.h"
#include "quant/model/geometry.h"
#include "quant/model/hash.h"
#include "quant/quantizers/input_patches.h"
#include "quant/retraining/kept_start.h"
#include "quant/tensor/class_logits.h"
#include "quant/tensor/order.h"
#include "quant/tensor/per_filter.h"
#include "quant/tensor/threads.h"
#include "quant/training/device.h"
#include "quant/training/normalization.h"

namespace bitloop::quant {
namespace {

constexpr std::int64_t kSampleValues = 1 << 16;  // per width class, for the activation scales
constexpr std::int64_t kPatches = 1024;          // per layer, for the weight scales

/// Passes side by side: each holds 128 MiB (pass_batch).
int pass_threads() { return std::min(TorchThreads::all(), 8); }

/// Images that a whole pass holds in memory at once.
std::int64_t statistic_images(const host::Network& network, std::int64_t count) {
  constexpr std::int64_t kStatisticElements = 1 << 26;  // of the largest tensor: 256 MiB
  std::int64_t largest = 1;
  for (const host::Tensor& tensor : network.tensors)
    largest = std::max<std::int64_t>(largest, tensor.shape.elements());
  return std::clamp<std::int64_t>(kStatisticElements / largest, 1, count);
}

std::span<const std::int64_t> places_of(const at::Tensor& chosen) {
  return {chosen.data_ptr<std::int64_t>(), static_cast<std::size_t>(chosen.numel())};
}

at::Tensor per_channel(const std::vector<float>& values) { return at::tensor(values).view({1, -1, 1, 1}); }

bool gives_logits(const host::Network& network, const host::Layer& layer) {
  return network.output_bits == 32 && network.is_output(layer.output);
}

/// The layer that reads the image sees codes less their zero code, in units of 1/255: its weights take the
/// deviation, and its bias (or batch-norm mean) what remains of the mean: the zero code is a whole number.
void fold_image(const host::Network& network, std::vector<FloatLayer>& layers, std::span<const float> mean,
                std::span<const float> deviation, std::span<const std::uint8_t> zero) {
  std::vector<float> factor, rest;
  for (std::size_t c = 0; c < mean.size(); ++c) {
    factor.push_back(1 / deviation[c]);
    rest.push_back(static_cast<float>(zero[c]) / 255 - mean[c]);
  }
  std::size_t index = 0;
  for (const host::Layer& layer : network.layers) {
    if (!layer.has_weights()) continue;
    FloatLayer& p = layers.at(index++);
    if (layer.input() != network.input) continue;
    p.weight = p.weight * per_channel(factor);
    const at::Tensor constant = (p.weight * per_channel(rest)).flatten(1).sum(1);
    if (p.gain.defined())
      p.mean = p.mean - constant;
    else
      p.bias = p.bias + constant;
  }
}

/// The layer as `folded`, with a batch norm whose statistics are its `own`: those of its results with the
/// bias, before a norm that it has, as `original` computes them (the image not folded in).
FloatLayer with_statistics(const FloatLayer& folded, const FloatLayer& original, const Moments& own) {
  FloatLayer layer;
  layer.weight = folded.weight;
  layer.weight_scale = folded.weight_scale;
  const at::Tensor deviation = own.variance.add(kBatchNormEpsilon).sqrt();
  layer.variance = own.variance;
  if (original.gain.defined()) {
    const at::Tensor gain = original.gain * original.variance.add(kBatchNormEpsilon).rsqrt();
    const at::Tensor shifted = own.mean - original.mean;
    layer.mean = folded.mean + shifted;
    layer.gain = gain * deviation;
    layer.shift = original.shift + gain * shifted;
  } else {
    layer.mean = own.mean - folded.bias;
    layer.gain = deviation;
    layer.shift = own.mean;
  }
  return layer;
}

/// Its norm, if it has one, as weights and a bias.
FloatLayer with_bias(const FloatLayer& layer) {
  if (!layer.gain.defined()) return layer;
  const at::Tensor gain = layer.gain * layer.variance.add(kBatchNormEpsilon).rsqrt();
  FloatLayer result;
  result.weight = layer.weight * column(gain, layer.weight);
  if (layer.weight_scale.defined()) result.weight_scale = layer.weight_scale * gain.abs();
  result.bias = layer.shift - layer.mean * gain;
  return result;
}

/// Whether every filter has one weight of several that is not zero, as where a shortcut skips rows and
/// columns. Such results deviate more where low widths have no zero, but not by the channel that they stand
/// for: it keeps its size only where the deviation is left alone.
bool passes_channels_on(const at::Tensor& weight) {
  const at::Tensor used = weight.flatten(1).ne(0);
  return used.size(1) > 1 && used.sum(1).le(1).all().item<bool>();
}

/// [image, values]: a few values of each image, other ones in every image.
at::Tensor sample_of(const at::Tensor& tensor, std::int64_t values, std::int64_t first_image) {
  constexpr std::int64_t kPrime = 7919;
  const at::Tensor all = tensor.flatten(1);
  if (all.size(1) <= values) return all.clone();
  const at::Tensor places =
      at::arange(values, at::kLong).mul_(all.size(1)).floor_divide_(values).unsqueeze(0);
  const at::Tensor shifts = at::arange(all.size(0), at::kLong).add_(first_image).mul_(kPrime).unsqueeze(1);
  return all.gather(1, (places + shifts).remainder_(all.size(1)).to(all.device()));
}

/// Tensors of each width class (index: its first one) whose values arithmetic reads.
std::vector<std::vector<int>> read_tensors(const host::Network& network, const std::vector<int>& classes) {
  std::vector<bool> read(network.tensors.size(), false);
  for (const host::Layer& layer : network.layers)
    if (!layer.keeps_codes())
      for (const int input : layer.inputs) read.at(input) = true;
  if (network.output_bits != 32)
    for (const int output : network.outputs) read.at(output) = true;
  std::vector<std::vector<int>> result(network.tensors.size());
  for (std::size_t t = 0; t < network.tensors.size(); ++t)
    if (read[t]) result.at(classes.at(t)).push_back(static_cast<int>(t));
  return result;
}

}  // namespace

StartPoint::StartPoint(const host::Network& given, const FloatCheckpoint& checkpoint, const Dataset& data)
    : network(given),
      classes(host::width_classes(network)),
      layers(checkpoint.impl->layers),
      image_zero(zero_pixels(checkpoint.impl->mean)),
      mean(checkpoint.impl->mean),
      deviation(checkpoint.impl->deviation),
      device(training_device()),
      train(data.train),
      augmentation(data.augmentation),
      image_classes(data.classes),
      split_hash(data.split_hash),
      content_hash_(checkpoint.content_hash()) {
  for (const host::Layer& layer : network.layers) {
    if (gives_logits(network, layer) && layer.activation != host::Activation::none)
      throw InputError(fmt::format(
          "network {}: its last layer, {}, ends in an activation, but a network's results are plain sums: "
          "export it without that activation",
          network.name, layer.name));
  }
  if (geometry_hash(network) != geometry_hash(checkpoint.impl->network))
    throw InputError(
        fmt::format("the checkpoint is of another network than {}: train that one first", network.name));
  if (!checkpoint.impl->split_hash.empty() && checkpoint.impl->split_hash != data.split_hash)
    throw InputError(fmt::format(
        "the checkpoint was trained on other images than {}'s train split: train again", data.name));
  check_images(network, data);
  const at::NoGradGuard no_grad;
  steps = plan(network, /*fuse_pools=*/true);
  teacher_ = on_device(layers, device);
  fold_image(network, layers, mean, deviation, image_zero);
  layers = on_device(layers, device);
}

bool StartPoint::reads_pixels() const {
  constexpr double kNear = 1e-4;  // of a step
  const host::Limits& limits = network.tensors.at(network.input).limits;
  for (std::size_t c = 0; limits.any() && c < mean.size(); ++c) {
    const double pixel = 1 / (255.0 * deviation[c]), low = -mean[c] / deviation[c];
    const bool on_pixels = std::abs(limits.step - pixel) <= kNear * pixel &&
                           std::abs(std::remainder(low, pixel)) <= kNear * pixel;
    if (!on_pixels || limits.low > low + pixel / 2 || limits.high < low + 254.5 * pixel) return false;
  }
  return true;
}

std::int64_t StartPoint::train_images() const {
  return static_cast<std::int64_t>(train.pixels.size()) / network.tensors.at(network.input).shape.elements();
}

at::Tensor StartPoint::train_pixels(const at::Tensor& places) const {
  const host::Shape& shape = network.tensors.at(network.input).shape;
  const auto bytes = static_cast<std::size_t>(shape.elements());
  std::vector<std::uint8_t> pixels;
  for (const std::int64_t place : places_of(places)) {
    const auto image = std::span(train.pixels).subspan(static_cast<std::size_t>(place) * bytes, bytes);
    pixels.insert(pixels.end(), image.begin(), image.end());
  }
  return pixel_tensor(shape, pixels);
}

at::Tensor StartPoint::codes_of(const at::Tensor& pixels) const {
  const std::vector<float> zero(image_zero.begin(), image_zero.end());
  return channels_last(pixels.to(device).to(at::kFloat).sub_(per_channel(zero).to(device)));
}

Calibration StartPoint::calibrate(const CalibrationImages& images) const {
  const at::NoGradGuard no_grad;
  const std::int64_t all = train_images(), count = std::min(images.count, all);
  if (count <= 0) throw InputError("quantizing needs training images: give a data set that has some");
  at::Tensor chosen = at::arange(count, at::kLong).mul_(all).floor_divide_(count);
  if (images.seed != 0) {
    std::mt19937_64 generator(images.seed);
    chosen = shuffled_order(all, generator).narrow(0, 0, count);
  }
  Calibration result;
  result.pixels = train_pixels(chosen);
  result.statistic_images = statistic_images(network, count);
  const std::int64_t batch = pass_batch(network);
  std::vector<CalibrationPart> parts(static_cast<std::size_t>((count + batch - 1) / batch));
  in_parallel(static_cast<std::int64_t>(parts.size()), pass_threads(), [&](std::int64_t i) {
    parts[static_cast<std::size_t>(i)] =
        calibration_part(result, i * batch, std::min(batch, count - i * batch));
  });
  join(parts, result);
  return result;
}

StartPoint::CalibrationPart StartPoint::calibration_part(const Calibration& calibration, std::int64_t first,
                                                         std::int64_t images) const {
  const at::NoGradGuard no_grad;
  const std::vector<const host::Layer*> weight_layers = network.weight_layers();
  const std::int64_t count = calibration.pixels.size(0);
  const std::int64_t patches = std::max<std::int64_t>(1, kPatches / count);
  const std::int64_t values = std::max<std::int64_t>(1, kSampleValues / count);
  const at::Tensor input =
      channels_last(normalize(calibration.pixels.narrow(0, first, images).to(device), mean, deviation));
  const FloatPass pass = float_forward(network, teacher_, input, /*training=*/false);
  const std::int64_t counted = std::clamp<std::int64_t>(calibration.statistic_images - first, 0, images);
  CalibrationPart part;
  for (std::size_t i = 0; i < weight_layers.size(); ++i) {
    const host::Layer& layer = *weight_layers[i];
    if (counted > 0) part.sums.emplace_back().add(pass.sums.at(i).narrow(0, 0, counted));
    const at::Tensor& x = pass.reads.at(layer.input());
    const bool reads_image = layer.input() == network.input;
    part.patches.push_back(
        input_patches(layer, reads_image ? x * per_channel(deviation).to(device) : x, patches));
  }
  const auto read = read_tensors(network, classes);
  part.samples.resize(read.size());
  part.maxima.resize(read.size());
  for (std::size_t t = 0; t < read.size(); ++t) {
    if (read[t].empty() || static_cast<int>(t) == network.input) continue;
    std::vector<at::Tensor> samples, maxima;
    const auto each = std::max<std::int64_t>(1, values / static_cast<std::int64_t>(read[t].size()));
    for (const int tensor : read[t]) {
      const at::Tensor& x = pass.tensors.at(tensor);
      samples.push_back(sample_of(x, each, first));
      maxima.push_back(x.flatten(1).abs().amax(1));
    }
    part.samples[t] = at::cat(samples, 1);
    part.maxima[t] = at::stack(maxima).amax(0);
  }
  return part;
}

void StartPoint::join(std::span<const CalibrationPart> parts, Calibration& result) const {
  const auto all = [&](const auto& of, std::int64_t dimension) {
    std::vector<at::Tensor> tensors;
    for (const CalibrationPart& part : parts) tensors.push_back(of(part));
    return at::cat(tensors, dimension);
  };
  const std::vector<const host::Layer*> weight_layers = network.weight_layers();
  for (std::size_t i = 0; i < weight_layers.size(); ++i) {
    MomentSums sums;
    for (const CalibrationPart& part : parts)
      if (!part.sums.empty()) sums.add(part.sums.at(i));
    const FloatLayer normalized = with_statistics(layers.at(i), teacher_.at(i), sums.moments());
    const bool bias = gives_logits(network, *weight_layers[i]) || passes_channels_on(normalized.weight);
    const FloatLayer& layer = result.layers.emplace_back(bias ? with_bias(layers.at(i)) : normalized);
    result.float_means.push_back(normalized.shift);
    // [patch, inputs], with groups [group, patch, inputs].
    const std::int64_t patch_dimension = parts.front().patches.at(i).dim() - 2;
    result.samples.weights.push_back(
        {.values = layer.weight.flatten(1),
         .patches = all([&](const CalibrationPart& part) { return part.patches.at(i); }, patch_dimension),
         .gain = layer.gain,
         .stated = layer.weight_scale});
  }
  for (std::size_t t = 0; t < network.tensors.size(); ++t) {
    ActivationSample& sample = result.samples.activations.emplace_back();
    sample.is_signed = network.tensors[t].is_signed;
    for (std::size_t other = t; other < network.tensors.size(); ++other) {
      if (classes.at(other) != static_cast<int>(t)) continue;
      const host::Tensor& tensor = network.tensors[other];
      if (tensor.limits.any()) sample.stated.push_back(tensor.limits);
      if (tensor.narrow_limits.any()) sample.stated_narrow.push_back(tensor.narrow_limits);
    }
    if (!parts.front().samples.at(t).defined()) continue;
    sample.values = all([&](const CalibrationPart& part) { return part.samples.at(t); }, 0);
    sample.image_maxima = all([&](const CalibrationPart& part) { return part.maxima.at(t); }, 0);
  }
}

const Calibration& StartPoint::calibration(const CalibrationImages& images) const {
  const std::lock_guard lock(mutex_);
  const auto found = calibrations_.find(images);
  if (found != calibrations_.end()) return found->second;
  return calibrations_.emplace(images, calibrate(images)).first->second;
}

const ClippingTable& StartPoint::scales(Clipping clipping, const CalibrationImages& images) const {
  const ClippingSamples& samples = calibration(images).samples;
  const std::lock_guard lock(mutex_);
  const auto found = tables_.find({clipping, images});
  if (found != tables_.end()) return found->second;
  return tables_.emplace(std::pair{clipping, images}, kept_clipping_table(samples, clipping)).first->second;
}

at::Tensor Teaching::of(const at::Tensor& places) const {
  return probabilities.index_select(0, rows.index_select(0, places).to(probabilities.device()));
}

at::Tensor StartPoint::teach(const at::Tensor& pixels) const {
  const at::NoGradGuard no_grad;
  const at::Tensor input = channels_last(normalize(pixels.to(device), mean, deviation));
  const FloatPass pass = float_forward(network, teacher_, input, /*training=*/false, Keep::results);
  return class_logits(pass.tensors.at(network.output())).softmax(1);
}

Teaching StartPoint::teach_drawn(const DrawnImages& drawn) const {
  const at::NoGradGuard no_grad;
  const host::Shape& shape = network.tensors.at(network.input).shape;
  const at::Tensor places = std::get<0>(drawn_places(drawn.of, drawn.images, drawn.seed).sort());
  const std::int64_t count = places.numel(), batch = pass_batch(network);
  Teaching result;
  result.rows = at::full({drawn.of}, -1, at::kLong);
  result.rows.index_copy_(0, places, at::arange(count));
  const auto taught = [&](std::int64_t first) {
    return teach(train_pixels(places.narrow(0, first, std::min(batch, count - first))));
  };
  // Another processor's floats are others: the first batch tells.
  std::vector<at::Tensor> parts(static_cast<std::size_t>((count + batch - 1) / batch));
  {
    const TorchThreads one(1);
    parts.front() = taught(0);
  }
  Sha256 hash;
  hash.add(content_hash_);
  const auto bytes = static_cast<std::size_t>(shape.elements());
  for (const std::int64_t place : places_of(places))
    hash.add(std::as_bytes(std::span(train.pixels).subspan(bytes * static_cast<std::size_t>(place), bytes)));
  add_tensor(hash, parts.front());
  result.probabilities =
      kept_tensor("teaching", hash.hex(), {count, parts.front().size(1)}, [&] {
        in_parallel(static_cast<std::int64_t>(parts.size()) - 1, pass_threads(), [&](std::int64_t i) {
          const at::NoGradGuard none;
          parts[static_cast<std::size_t>(i) + 1] = taught((i + 1) * batch);
        });
        return at::cat(parts).to(at::kCPU);
      }).to(device);
  return result;
}

const Teaching& StartPoint::teaching(const DrawnImages& drawn) const {
  const std::lock_guard lock(mutex_);
  const auto found = teachings_.find(drawn);
  if (found != teachings_.end()) return found->second;
  return teachings_.emplace(drawn, teach_drawn(drawn)).first->second;
}

host::Network calibrated_network(const StartPoint& start, const std::vector<FloatLayer>& layers) {
  host::Network network = start.network;
  network.tensors.at(network.input).limits = {};
  std::size_t index = 0;
  for (host::Layer& layer : network.layers)
    if (layer.has_weights()) layer.batch_norm = layers.at(index++).gain.defined();
  return network;
}

}  // namespace bitloop::quant
