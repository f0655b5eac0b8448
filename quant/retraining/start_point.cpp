#include <algorithm>

#include "quant/order.h"
#include "quant/retraining/retrainer.h"
#include "quant/threads.h"

namespace bitloop::quant {
namespace {

constexpr std::int64_t kCalibrationImages = 512;
constexpr std::int64_t kSampleValues = 1 << 16;  // per tensor, for the activation scales
constexpr std::int64_t kTeacherBatch = 100;
// Share of the float network's probabilities in the targets.
constexpr double kDistillation = 0.5;

void fold_deviation(StartPoint& start, std::span<const float> deviation) {
  int index = 0;
  for (const host::Layer& layer : start.network.layers) {
    if (!layer.has_weights()) continue;
    FloatLayer& p = start.layers.at(index++);
    if (layer.input() != start.network.input) continue;
    const host::Shape& in = start.network.input_shape(layer);
    const at::Tensor factor = at::tensor(std::vector<float>(deviation.begin(), deviation.end())).reciprocal();
    p.weight =
        (p.weight.view({p.weight.size(0), in.channels, -1}) * factor.view({1, -1, 1})).view_as(p.weight);
  }
}

void set_weight_scales(StartPoint& start) {
  for (const FloatLayer& layer : start.layers) {
    auto& scales = start.weight_scales.emplace_back();
    for (std::size_t w = 0; w < scales.size(); ++w)
      scales[w] = best_weight_scales(layer.weight.flatten(1), host::kWidths[w]);
  }
}

/// From the float network's tensors, read where weight layers read them (after pools).
void set_activation_scales(StartPoint& start, const FloatPass& pass) {
  start.activation_scales.resize(start.network.tensors.size());
  for (const Step& step : start.steps) {
    if (step.layer == nullptr || step.output == start.network.output()) continue;
    const at::Tensor all = pass.tensors.at(step.output).flatten();
    const std::int64_t stride = std::max<std::int64_t>(1, all.numel() / kSampleValues);
    const at::Tensor sample = all.slice(0, 0, all.numel(), stride).contiguous();
    const bool is_signed = start.network.tensors.at(step.output).is_signed;
    auto& scales = start.activation_scales.at(start.owners.at(step.output));
    for (std::size_t w = 0; w < scales.size(); ++w)
      scales[w] = best_activation_scale(sample, code_range(host::kWidths[w], is_signed));
  }
}

/// One-hot labels blended with the float network's probabilities.
at::Tensor make_targets(const FloatCheckpoint::Impl& checkpoint, const at::Tensor& pixels,
                        const Dataset& data) {
  at::Tensor targets = at::zeros({pixels.size(0), data.classes});
  targets.scatter_(1, label_tensor(data.train.labels).unsqueeze(1), 1 - kDistillation);
  for (std::int64_t first = 0; first < pixels.size(0); first += kTeacherBatch) {
    const std::int64_t count = std::min(kTeacherBatch, pixels.size(0) - first);
    const at::Tensor input = normalize(pixels.narrow(0, first, count), checkpoint.mean, checkpoint.deviation);
    const FloatPass pass = float_forward(checkpoint.network, checkpoint.layers, input, /*training=*/false);
    const at::Tensor logits = pass.tensors.at(checkpoint.network.output()).flatten(1);
    targets.narrow(0, first, count).add_(logits.softmax(1), kDistillation);
  }
  return targets;
}

}  // namespace

StartPoint make_start_point(const host::Network& network, const FloatCheckpoint& checkpoint,
                            const Dataset& data) {
  const at::NoGradGuard no_grad;
  const TorchThreads threads(TorchThreads::all());
  StartPoint start;
  start.network = network;
  start.steps = plan(start.network, /*fuse_pools=*/true);
  start.owners = scale_owners(start.network);
  start.layers = checkpoint.impl->layers;
  fold_deviation(start, checkpoint.impl->deviation);
  start.image_zero = zero_pixels(checkpoint.impl->mean);
  start.pixels = pixel_tensor(data.shape, data.train.pixels);
  start.targets = make_targets(*checkpoint.impl, start.pixels, data);

  // Evenly spread over the split, so that no order of the file matters.
  const std::int64_t count = std::min(kCalibrationImages, start.pixels.size(0));
  const at::Tensor chosen = at::arange(count).mul_(start.pixels.size(0)).floor_divide_(count);
  const at::Tensor input =
      normalize(start.pixels.index_select(0, chosen), checkpoint.impl->mean, checkpoint.impl->deviation);
  const FloatPass pass = float_forward(network, checkpoint.impl->layers, input, /*training=*/false);
  for (const at::Tensor& sums : pass.sums)
    start.float_means.push_back(sums.transpose(0, 1).flatten(1).mean(1));
  set_weight_scales(start);
  set_activation_scales(start, pass);
  return start;
}

}  // namespace bitloop::quant
