#include "quant/retraining/retrainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "host/base/error.h"
#include "quant/data/batches.h"
#include "quant/tensor/order.h"

namespace bitloop::quant {
namespace {

// Share of the steps with each batch's own statistics, which follow the weights; then with re-estimated and
// fixed ones, so that the end of training sees the very integers that come out of it.
constexpr double kMovingShare = 0.6;
constexpr std::int64_t kPredictBatch = 50;
constexpr std::size_t kHeldOutPart = 20;  // 1/20 of the train split decides when to stop

/// Images [first, first + count) of a split.
Split part_of(const Split& split, std::size_t first, std::size_t count) {
  const std::size_t bytes = split.pixels.size() / split.size();
  const auto pixels = split.pixels.begin() + static_cast<std::ptrdiff_t>(first * bytes);
  const auto labels = split.labels.begin() + static_cast<std::ptrdiff_t>(first);
  return {{pixels, pixels + static_cast<std::ptrdiff_t>(count * bytes)},
          {labels, labels + static_cast<std::ptrdiff_t>(count)}};
}

/// Calls `work(logits, first image)` for the split, batch by batch.
template <typename Work>
void for_logits(QuantizedGraph& graph, const Split& split, const Work& work) {
  const StartPoint& start = graph.start();
  const host::Shape& shape = start.network.tensors.at(start.network.input).shape;
  const auto bytes = static_cast<std::size_t>(shape.elements());
  const std::size_t all = split.pixels.size() / bytes;
  for (std::size_t first = 0; first < all; first += kPredictBatch) {
    const std::size_t count = std::min<std::size_t>(kPredictBatch, all - first);
    const at::Tensor pixels =
        pixel_tensor(shape, std::span(split.pixels).subspan(first * bytes, count * bytes));
    work(graph.forward(start.codes_of(pixels), Statistics::stored), first);
  }
}

}  // namespace

CalibrationImages calibration_images(const Retraining& options) {
  return {options.calibration_images, options.calibration_seed};
}

const ClippingTable& start_scales(const StartPoint& start, const Method& method, const Retraining& options) {
  const Clipping clipping = method.clipping ? *method.clipping : clipping_of(options.clipping);
  return start.scales(clipping, calibration_images(options));
}

Retrainer::Retrainer(const StartPoint& start, const host::Policy& policy, const Retraining& options,
                     CodeMemory* memory)
    : start_(start),
      options_(options),
      graph_(start, start.calibration(calibration_images(options)).layers, policy,
             method_of(options.quantizer), start_scales(start, method_of(options.quantizer), options)) {
  const at::NoGradGuard no_grad;
  const Calibration& calibration = start.calibration(calibration_images(options));
  statistic_codes_ = start.codes_of(calibration.pixels.narrow(0, 0, calibration.statistic_images));
  graph_.correct_biases(statistic_codes_, calibration.float_means, memory,
                        fmt::format("statistics {} {} {} {}", options.quantizer, options.clipping,
                                    options.calibration_images, options.calibration_seed));
}

void Retrainer::estimate_statistics() { graph_.forward(statistic_codes_, Statistics::re_estimated); }

at::Tensor Retrainer::targets_of(const at::Tensor& pixels, const at::Tensor& labels, const Teaching* teaching,
                                 const at::Tensor& indices) const {
  at::Tensor targets =
      at::zeros({labels.size(0), start_.image_classes}, at::TensorOptions(at::kFloat).device(start_.device));
  targets.scatter_(1, labels.to(start_.device).unsqueeze(1), 1 - options_.distillation);
  if (options_.distillation == 0) return targets;
  return targets.add_(teaching != nullptr ? teaching->of(indices) : start_.teach(pixels),
                      options_.distillation);
}

double Retrainer::loss(const Split& split) {
  double sum = 0;
  const at::Tensor labels = label_tensor(split.labels).to(start_.device);
  for_logits(graph_, split, [&](const at::Tensor& logits, std::size_t first) {
    const at::Tensor truth = labels.narrow(0, static_cast<std::int64_t>(first), logits.size(0));
    sum += at::cross_entropy_loss(logits, truth, {}, at::Reduction::Sum).item<double>();
  });
  return sum / static_cast<double>(split.size());
}

std::vector<int> Retrainer::predict(const Split& split) {
  std::vector<int> classes;
  for_logits(graph_, split, [&](const at::Tensor& logits, std::size_t) {
    const at::Tensor best = logits.argmax(1).to(at::kCPU);
    for (std::int64_t i = 0; i < best.numel(); ++i) classes.push_back(best[i].item<int>());
  });
  return classes;
}

Retrainer::Snapshot Retrainer::snapshot() {
  Snapshot result{graph_.parameters().values.clone(), {}, {}};
  for (const auto& layer : graph_.layers()) {
    result.means.push_back(layer.mean);
    result.inverse_deviations.push_back(layer.inverse_deviation);
  }
  return result;
}

void Retrainer::restore(const Snapshot& snapshot) {
  graph_.parameters().values.copy_(snapshot.values);
  for (std::size_t i = 0; i < graph_.layers().size(); ++i) {
    graph_.layers()[i].mean = snapshot.means[i];
    graph_.layers()[i].inverse_deviation = snapshot.inverse_deviations[i];
  }
}

void Retrainer::retrain(const Progress& progress) {
  if (options_.epochs == 0) return;
  const at::NoGradGuard no_grad;
  const std::size_t held_out = options_.patience > 0 ? start_.train.size() / kHeldOutPart : 0;
  if (options_.patience > 0 && held_out == 0) {
    throw InputError(fmt::format("patience needs at least {} training images, and there are {}: leave it out",
                                 kHeldOutPart, start_.train.size()));
  }
  const std::size_t kept = start_.train.size() - held_out;
  const Split validation = held_out > 0 ? part_of(start_.train, kept, held_out) : Split{};
  const Split own = held_out > 0 ? part_of(start_.train, 0, kept) : Split{};
  const Split& train = held_out > 0 ? own : start_.train;
  const host::Shape& shape = start_.network.tensors.at(start_.network.input).shape;
  const bool augmented = options_.augment && start_.augmentation.any();
  // Augmented images are others in every epoch.
  const Teaching* teaching = nullptr;
  if (!augmented && options_.distillation > 0)
    teaching = &start_.teaching({static_cast<std::int64_t>(kept), options_.images, options_.seed});
  const at::Tensor drawn =
      drawn_places(static_cast<std::int64_t>(train.size()), options_.images, options_.seed);
  Optimizer optimizer(options_.optimizer, graph_.parameters());
  Snapshot best;
  double least = std::numeric_limits<double>::infinity(), steps = 0;
  std::int64_t done = 0, moving = 0;
  int worse = 0;
  QuantizedGraph::Pass pass;
  for (int epoch = 0; epoch < options_.epochs; ++epoch) {
    Batches batches(train, shape, start_.mean,
                    {.batch = options_.batch,
                     .images = options_.images,
                     .seed = options_.seed,
                     .epoch = static_cast<std::uint64_t>(epoch),
                     .augmentation = augmented ? start_.augmentation : Augmentation{},
                     .drawn = drawn});
    if (epoch == 0) {
      steps = static_cast<double>(batches.count() * options_.epochs);
      moving = static_cast<std::int64_t>(kMovingShare * steps);
    }
    double sum = 0;
    while (const auto batch = batches.next()) {
      if (done == moving && moving > 0) estimate_statistics();
      const Statistics statistics = done < moving ? Statistics::of_batch : Statistics::stored;
      const at::Tensor targets = targets_of(batch->pixels, batch->labels, teaching, batch->indices);
      const at::Tensor logits = graph_.forward(start_.codes_of(batch->pixels), statistics, &pass);
      const at::Tensor probabilities = logits.log_softmax(1);
      sum -= (targets * probabilities).sum().item<double>() / static_cast<double>(logits.size(0));
      require_convergence(std::isfinite(sum));
      graph_.backward(pass, probabilities.exp().sub_(targets).div_(static_cast<double>(logits.size(0))),
                      statistics);
      optimizer.step(graph_.parameters(), learning_rate(options_, epoch, static_cast<double>(done), steps));
      ++done;
      if (progress)
        progress(static_cast<double>(done) / steps,
                 fmt::format("retraining, epoch {} of {}", epoch + 1, options_.epochs));
    }
    if (held_out == 0) continue;
    if (done <= moving) estimate_statistics();
    const double now = loss(validation);
    worse = now < least ? 0 : worse + 1;
    if (now < least) {
      least = now;
      best = snapshot();
    }
    if (worse >= options_.patience) break;
  }
  if (best.values.defined()) restore(best);
}

}  // namespace bitloop::quant
