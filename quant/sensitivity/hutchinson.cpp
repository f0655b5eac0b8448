// HAWQ-V2 (Dong et al. 2020): the mean of the Hessian's eigenvalues in a tensor's block, its trace divided by
// its size, times the squared error of quantizing; of activations the block of each image. By half of that
// the mean loss rises where all directions are alike. Traces by Hutchinson's estimate, E[z'Hz] with random
// signs z, of all weights at once and of all inputs at once: what blocks say of each other has mean 0, but
// weights would say too much of inputs. H z by a second way back through the gradient: LibTorch has it for
// all that float networks are made of, and it is exact but at the kinks of ReLU and max pool; differences of
// two gradients would step over kinks, by an amount to be chosen.

#include <torch/csrc/autograd/autograd.h>

#include <random>

#include "quant/sensitivity/measures.h"
#include "quant/sensitivity/subject.h"

namespace bitloop::quant {
namespace {

constexpr double kGradientPasses = 3;  // there, and back for two
constexpr double kProbePasses = 6;     // back through both; for weights, and for inputs
/// Of a usual batch: the gradient's graph keeps about three times as much as the pass.
constexpr std::int64_t kBatchShare = 4;

/// -1 and +1, the same with every library.
at::Tensor random_signs(const at::Tensor& like, std::mt19937_64& random) {
  at::Tensor signs = at::empty(like.sizes(), at::kFloat);
  auto* values = signs.data_ptr<float>();
  std::uint64_t bits = 0;
  for (std::int64_t i = 0; i < signs.numel(); ++i) {
    if (i % 64 == 0) bits = random();
    values[i] = (bits >> (i % 64) & 1U) != 0 ? 1.0F : -1.0F;
  }
  return signs.to(like.device());
}

std::vector<FloatLayer> differentiable(std::vector<FloatLayer> layers) {
  for (FloatLayer& layer : layers) layer.weight = layer.weight.detach().clone().requires_grad_();
  return layers;
}

/// z'Hz of every point, for random z. `gradients`: by the points, with a graph; undefined: they do not count.
std::vector<double> curvatures(const std::vector<at::Tensor>& points,
                               const std::vector<at::Tensor>& gradients, std::mt19937_64& random) {
  std::vector<at::Tensor> signs, outputs, directions;
  for (std::size_t i = 0; i < points.size(); ++i) {
    signs.push_back(random_signs(points[i], random));
    // A gradient without a graph is constant: the loss is linear there.
    if (!gradients[i].defined() || !gradients[i].requires_grad()) continue;
    outputs.push_back(gradients[i]);
    directions.push_back(signs.back());
  }
  std::vector<double> result(points.size(), 0.0);
  if (outputs.empty()) return result;
  const auto products = torch::autograd::grad(outputs, points, directions, /*retain_graph=*/true,
                                              /*create_graph=*/false, /*allow_unused=*/true);
  for (std::size_t i = 0; i < points.size(); ++i)
    if (products[i].defined()) result[i] = products[i].mul(signs[i]).sum(at::kDouble).item<double>();
  return result;
}

Sensitivities hutchinson(const Quantizer& quantizer, const Retraining& recipe,
                         const SensitivityOptions& options, const Progress& progress) {
  const Subject subject(quantizer, recipe, options, kBatchShare);
  const std::vector<int>& read = subject.read_tensors();
  const auto layers = static_cast<std::int64_t>(subject.layers().size());
  const auto inputs = static_cast<std::int64_t>(read.size());
  // Batches have about, not exactly, as many images.
  const double per_image = static_cast<double>(subject.batches()) / static_cast<double>(subject.images());
  // Per batch: curvatures per number and image [weight layer or read tensor, probe]; errors [read tensor,
  // width, image].
  std::vector<at::Tensor> curvature(static_cast<std::size_t>(subject.batches())), error = curvature;
  subject.for_batches(/*gradients=*/true, progress, [&](std::int64_t batch) {
    const std::vector<FloatLayer> copies = differentiable(subject.layers());
    const FloatPass pass = subject.forward(copies, batch);
    std::vector<at::Tensor> points;
    for (const FloatLayer& layer : copies) points.push_back(layer.weight);
    for (const int tensor : read) points.push_back(pass.reads.at(tensor));
    const auto gradients =
        torch::autograd::grad({subject.loss(pass, batch)}, points, {}, /*retain_graph=*/true,
                              /*create_graph=*/true, /*allow_unused=*/true);
    std::seed_seq seeds{static_cast<std::uint32_t>(options.seed),
                        static_cast<std::uint32_t>(options.seed >> 32), static_cast<std::uint32_t>(batch)};
    std::mt19937_64 random(seeds);
    at::Tensor& traces = curvature[static_cast<std::size_t>(batch)];
    traces = at::zeros({layers + inputs, options.probes}, at::kDouble);
    const auto probe_all = [&](std::int64_t first, std::int64_t count) {
      const auto part = [&](const std::vector<at::Tensor>& all) {
        return std::vector<at::Tensor>(all.begin() + first, all.begin() + first + count);
      };
      for (int probe = 0; probe < options.probes; ++probe) {
        const std::vector<double> found = curvatures(part(points), part(gradients), random);
        for (std::int64_t i = 0; i < count; ++i) {
          const at::Tensor& point = points[static_cast<std::size_t>(first + i)];
          const std::int64_t numbers = first == 0 ? point.numel() : point[0].numel();
          traces[first + i][probe] =
              found[static_cast<std::size_t>(i)] * per_image / static_cast<double>(numbers);
        }
      }
    };
    probe_all(0, layers);
    probe_all(layers, inputs);
    const at::NoGradGuard no_grad;
    at::Tensor& errors = error[static_cast<std::size_t>(batch)];
    errors = no_samples(read.size(), subject.images_of(batch));
    for (std::int64_t i = 0; i < inputs; ++i) {
      const int tensor = read[static_cast<std::size_t>(i)];
      for (std::int64_t width = subject.first_width(tensor); width < kWidthCount; ++width)
        errors[i][width].copy_(subject.input_error(tensor, pass.reads.at(tensor), width).sum(1));
    }
  });
  const at::Tensor traces = at::cat(curvature, 1).unsqueeze(1);  // [point, 1, sample]
  const at::Tensor errors = at::cat(error, 2).mean(2, true);     // [read tensor, width, 1]
  at::Tensor of_weights = no_samples(subject.layers().size(), traces.size(2));
  at::Tensor of_classes = no_samples(subject.network().tensors.size(), traces.size(2));
  for (std::int64_t i = 0; i < layers; ++i) {
    const at::Tensor sums = subject.weight_errors(static_cast<std::size_t>(i)).to(at::kDouble).sum({1, 2});
    of_weights[i].copy_(sums.to(at::kCPU).unsqueeze(1) * traces[i] / 2);
  }
  for (std::int64_t i = 0; i < inputs; ++i)
    of_classes[subject.width_class(read[static_cast<std::size_t>(i)])].add_(errors[i] * traces[layers + i] /
                                                                            2);
  const auto images = static_cast<int>(subject.images());
  return {.weights = estimates(of_weights),
          .inputs = subject.by_layer(estimates(of_classes)),
          .weight_images = images,
          .input_images = images,
          .passes = images * (kGradientPasses + 2 * kProbePasses * options.probes)};
}

}  // namespace

const SensitivityMeasure hutchinson_measure{
    .name = "hutchinson",
    .about = "mean of the Hessian's trace by random signs times squared errors (HAWQ-V2, Dong et al. 2020)",
    .measure = hutchinson};

}  // namespace bitloop::quant
