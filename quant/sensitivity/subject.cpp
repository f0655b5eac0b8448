#include "quant/sensitivity/subject.h"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>

#include "host/base/error.h"
#include "quant/data/batches.h"
#include "quant/model/geometry.h"
#include "quant/quantizers/level_grid.h"
#include "quant/retraining/retrainer.h"
#include "quant/tensor/class_logits.h"
#include "quant/tensor/order.h"
#include "quant/tensor/per_filter.h"
#include "quant/tensor/threads.h"

namespace bitloop::quant {
namespace {

constexpr double kPixel = 1.0 / 255;
constexpr int kMostThreads = 8;  // each holds 128 MiB (pass_batch), with gradients some times that

/// Where layers with weights read, but for the image and what shares its codes.
std::vector<int> read_tensors_of(const StartPoint& start) {
  const host::Network& network = start.network;
  std::vector<int> read;
  for (const host::Layer* layer : network.weight_layers()) {
    const int tensor = layer->input();
    const bool is_image = start.classes.at(tensor) == start.classes.at(network.input);
    if (!is_image && std::ranges::find(read, tensor) == read.end()) read.push_back(tensor);
  }
  return read;
}

}  // namespace

Subject::Subject(const Quantizer& quantizer, const Retraining& recipe, const SensitivityOptions& options,
                 std::int64_t batch_share)
    : start_(quantizer.start()),
      method_(method_of(recipe.quantizer)),
      scales_(start_scales(start_, method_, recipe)),
      layers_(start_.calibration(calibration_images(recipe)).layers),
      threads_(std::min(options.threads, kMostThreads)),
      read_(read_tensors_of(start_)) {
  network_ = calibrated_network(start_, layers_);
  if (options.images < 1) throw InputError("sensitivities need 1 training image or more");
  places_ = drawn_places(start_.train_images(), options.images, options.seed);
  labels_ = label_tensor(start_.train.labels);
  const std::int64_t batch = std::max<std::int64_t>(1, pass_batch(network_) / batch_share);
  batches_ = (images() + batch - 1) / batch;
}

FloatPass Subject::forward(const std::vector<FloatLayer>& layers, std::int64_t batch) const {
  const at::Tensor pixels = start_.train_pixels(places_.narrow(0, first(batch), images_of(batch)));
  at::Tensor input = start_.codes_of(pixels).mul_(kPixel);
  input.requires_grad_(at::GradMode::is_enabled());
  return float_forward(network_, layers, input, /*training=*/false);
}

at::Tensor Subject::loss(const FloatPass& pass, std::int64_t batch) const {
  if (network_.outputs.size() != 1 || class_count(network_) < start_.image_classes) {
    throw InputError(
        fmt::format("a gradient of the loss needs a classifier of the data's {} classes, and {} "
                    "is none: ask for sensitivities by sqnr alone",
                    start_.image_classes, network_.name));
  }
  const at::Tensor labels = labels_.index_select(0, places_.narrow(0, first(batch), images_of(batch)));
  return at::cross_entropy_loss(class_logits(pass.tensors.at(network_.output())), labels.to(start_.device),
                                {}, at::Reduction::Sum);
}

at::Tensor Subject::weight_errors(std::size_t layer) const {
  const at::Tensor weight = layers_.at(layer).weight.flatten(1);
  std::vector<at::Tensor> errors;
  for (const int bits : host::kWidths) {
    at::Tensor scale = scales_.weights.at(layer)[width_index(bits)].to(start_.device);
    if (method_.start_scale != nullptr) scale = method_.start_scale(weight, scale, bits);
    const at::Tensor ratio = method_.ratio(weight, column(scale, weight), bits);
    errors.push_back(weight_values(ratio, bits).mul_(column(scale, weight)).sub_(weight).square_());
  }
  return at::stack(errors);
}

at::Tensor Subject::input_error(int tensor, const at::Tensor& values, std::int64_t width) const {
  const int bits = host::kWidths[width];
  const double scale = scales_.activations.at(width_class(tensor))[static_cast<std::size_t>(width)];
  const CodeRange range = code_range(bits, network_.tensors.at(tensor).is_signed);
  const at::Tensor scales = at::full({values.size(0)}, scale > 0 ? scale : 1, values.options());
  const at::Tensor rows = values.flatten(1);
  return rounded(rows, scales, activation_grid(range)).sub_(rows).square_();
}

std::vector<Sensitivities::PerWidth> Subject::by_layer(
    const std::vector<Sensitivities::PerWidth>& of_classes) const {
  std::vector<Sensitivities::PerWidth> result;
  for (const host::Layer* layer : network_.weight_layers())
    result.push_back(of_classes.at(width_class(layer->input())));
  return result;
}

void Subject::for_batches(bool gradients, const Progress& progress,
                          const std::function<void(std::int64_t)>& work) const {
  std::mutex mutex;
  std::int64_t done = 0;
  in_parallel(batches_, threads_, [&](std::int64_t batch) {
    const at::AutoGradMode mode(gradients);
    work(batch);
    const std::lock_guard lock(mutex);
    ++done;
    if (progress) progress(static_cast<double>(done) / static_cast<double>(batches_), "");
  });
}

at::Tensor no_samples(std::size_t rows, std::int64_t samples) {
  return at::zeros({static_cast<std::int64_t>(rows), kWidthCount, samples}, at::kDouble);
}

std::vector<Sensitivities::PerWidth> estimates(const at::Tensor& samples) {
  const std::int64_t count = samples.size(2);
  const at::Tensor mean = samples.mean(2).contiguous();
  const at::Tensor variance =
      count > 1 ? samples.var(2).div_(static_cast<double>(count)).contiguous() : at::zeros_like(mean);
  std::vector<Sensitivities::PerWidth> result(static_cast<std::size_t>(samples.size(0)));
  for (std::size_t row = 0; row < result.size(); ++row) {
    for (std::size_t width = 0; width < result[row].size(); ++width) {
      const std::size_t at = row * result[row].size() + width;
      result[row][width] = {mean.data_ptr<double>()[at], variance.data_ptr<double>()[at]};
    }
  }
  return result;
}

}  // namespace bitloop::quant
