// The diagonal of the empirical Fisher matrix: E[(dL/dw)^2], of the loss with the true labels, as a second
// order expansion around the float network: quantizing adds about 1/2 sum F (q - w)^2 to the mean loss. For
// weights as in OBS (Hassibi and Stork 1993) and Fisher pruning (Theis et al. 2018), for activations as in
// BRECQ (Li et al. 2021), where F and the error are each image's own; FIT (Zandonati et al. 2023) ranks
// policies by it. One pass forward and one back over all images: gradients of single images are products of
// what a layer reads and the gradient of its sums, both of which one pass over a batch leaves.

#include <torch/csrc/autograd/autograd.h>

#include "quant/sensitivity/measures.h"
#include "quant/sensitivity/subject.h"
#include "quant/tensor/window.h"

namespace bitloop::quant {
namespace {

constexpr double kPasses = 3;  // there, and back for two

/// [width, image]: half of the sum over a layer's weights of squared gradients times squared `errors`.
at::Tensor weight_rises(const host::Layer& layer, const at::Tensor& read, const at::Tensor& gradient,
                        const at::Tensor& errors) {
  if (layer.kind == host::LayerKind::linear) {
    // An image's gradient has rank one, so has its square.
    const at::Tensor inputs = read.flatten(1).square(), outputs = gradient.square();
    return at::matmul(inputs, errors.transpose(1, 2)).mul_(outputs).sum(2).mul_(0.5);
  }
  const host::Window window = layer.window();
  const at::Tensor x = padded(read, layer.pad);
  const std::int64_t filters = errors.size(1), inputs = errors.size(2);
  const std::int64_t groups = x.size(1) * window.taps() / inputs;
  const at::Tensor flat = errors.flatten(1);
  std::vector<at::Tensor> rises;
  for (std::int64_t image = 0; image < x.size(0); ++image) {
    const at::Tensor patches = at::im2col(x.narrow(0, image, 1), kernel_of(window), sides(layer.dilation),
                                          /*padding=*/{0, 0}, sides(layer.stride));
    const at::Tensor of_weights = at::bmm(gradient.select(0, image).reshape({groups, filters / groups, -1}),
                                          patches.reshape({groups, inputs, -1}).transpose(1, 2));
    rises.push_back(at::mv(flat, of_weights.flatten().square_()));
  }
  return at::stack(rises, 1).mul_(0.5);
}

Sensitivities fisher(const Quantizer& quantizer, const Retraining& recipe, const SensitivityOptions& options,
                     const Progress& progress) {
  const Subject subject(quantizer, recipe, options);
  const auto layers = subject.network().weight_layers();
  std::vector<at::Tensor> errors;
  for (std::size_t i = 0; i < layers.size(); ++i) errors.push_back(subject.weight_errors(i));
  // Per batch: [weight layer or width class, width, image].
  std::vector<at::Tensor> of_weights(static_cast<std::size_t>(subject.batches())), of_inputs = of_weights;
  subject.for_batches(/*gradients=*/true, progress, [&](std::int64_t batch) {
    const FloatPass pass = subject.forward(subject.layers(), batch);
    std::vector<at::Tensor> points = pass.sums;
    for (const int tensor : subject.read_tensors()) points.push_back(pass.reads.at(tensor));
    const auto gradients =
        torch::autograd::grad({subject.loss(pass, batch)}, points, {}, /*retain_graph=*/false,
                              /*create_graph=*/false, /*allow_unused=*/true);
    const at::NoGradGuard no_grad;
    at::Tensor& weights = of_weights[static_cast<std::size_t>(batch)];
    at::Tensor& inputs = of_inputs[static_cast<std::size_t>(batch)];
    weights = no_samples(layers.size(), subject.images_of(batch));
    inputs = no_samples(pass.tensors.size(), subject.images_of(batch));
    for (std::size_t i = 0; i < layers.size(); ++i) {
      if (!gradients[i].defined()) continue;
      weights[static_cast<std::int64_t>(i)].copy_(
          weight_rises(*layers[i], pass.reads.at(layers[i]->input()), gradients[i], errors[i]));
    }
    for (std::size_t i = 0; i < subject.read_tensors().size(); ++i) {
      const int tensor = subject.read_tensors()[i];
      const at::Tensor& gradient = gradients[layers.size() + i];
      if (!gradient.defined()) continue;
      const at::Tensor squares = gradient.flatten(1).square();
      for (std::int64_t width = subject.first_width(tensor); width < kWidthCount; ++width) {
        const at::Tensor error = subject.input_error(tensor, pass.reads.at(tensor), width);
        inputs[subject.width_class(tensor)][width].add_(
            error.mul_(squares).sum(1).mul_(0.5).to(at::kCPU, at::kDouble));
      }
    }
  });
  const auto images = static_cast<int>(subject.images());
  return {.weights = estimates(at::cat(of_weights, 2)),
          .inputs = subject.by_layer(estimates(at::cat(of_inputs, 2))),
          .weight_images = images,
          .input_images = images,
          .passes = kPasses * images};
}

}  // namespace

const SensitivityMeasure fisher_measure{
    .name = "fisher",
    .about = "diagonal of the empirical Fisher matrix times squared errors (Theis et al. 2018, BRECQ 2021)",
    .measure = fisher};

}  // namespace bitloop::quant
