// Quantization noise as a share of the signal's power. To first order the shares of all weights and
// activations add up to that of the result: Lin, Talathi and Annapureddy, Fixed Point Quantization of Deep
// Convolutional Networks (2016). Forward only; of weights no image is needed.

#include "quant/sensitivity/measures.h"
#include "quant/sensitivity/subject.h"

namespace bitloop::quant {
namespace {

double share_of(double noise, double signal) { return signal > 0 ? noise / signal : 0; }

std::vector<Sensitivities::PerWidth> of_weights(const Subject& subject) {
  std::vector<Sensitivities::PerWidth> result;
  for (std::size_t i = 0; i < subject.layers().size(); ++i) {
    const auto power = subject.layers()[i].weight.to(at::kDouble).square().sum().item<double>();
    const at::Tensor noise = subject.weight_errors(i).to(at::kDouble).sum({1, 2});
    Sensitivities::PerWidth& widths = result.emplace_back();
    for (std::size_t width = 0; width < widths.size(); ++width)
      widths[width].value = share_of(noise[static_cast<std::int64_t>(width)].item<double>(), power);
  }
  return result;
}

/// The ratio of means of `noise` [image] and `signal` [image], and its variance to first order.
Estimate ratio_of(const at::Tensor& noise, const at::Tensor& signal) {
  const auto power = signal.mean().item<double>();
  Estimate ratio{share_of(noise.mean().item<double>(), power)};
  const std::int64_t images = noise.numel();
  if (images > 1 && power > 0) {
    const auto spread = (noise - signal * ratio.value).var().item<double>();
    ratio.variance = spread / (power * power * static_cast<double>(images));
  }
  return ratio;
}

Sensitivities sqnr(const Quantizer& quantizer, const Retraining& recipe, const SensitivityOptions& options,
                   const Progress& progress) {
  const Subject subject(quantizer, recipe, options);
  const std::size_t tensors = subject.network().tensors.size();
  // Per batch, of width classes: [class, width, image].
  std::vector<at::Tensor> noises(static_cast<std::size_t>(subject.batches())), signals = noises;
  subject.for_batches(/*gradients=*/false, progress, [&](std::int64_t batch) {
    const FloatPass pass = subject.forward(subject.layers(), batch);
    at::Tensor& noise = noises[static_cast<std::size_t>(batch)];
    at::Tensor& signal = signals[static_cast<std::size_t>(batch)];
    noise = no_samples(tensors, subject.images_of(batch));
    signal = no_samples(tensors, subject.images_of(batch));
    for (const int tensor : subject.read_tensors()) {
      const at::Tensor& values = pass.reads.at(tensor);
      const int of = subject.width_class(tensor);
      signal[of].add_(values.flatten(1).square().sum(1).to(at::kCPU, at::kDouble));
      for (std::int64_t width = subject.first_width(tensor); width < kWidthCount; ++width)
        noise[of][width].add_(subject.input_error(tensor, values, width).sum(1).to(at::kCPU, at::kDouble));
    }
  });
  const at::Tensor noise = at::cat(noises, 2), signal = at::cat(signals, 2);
  std::vector<Sensitivities::PerWidth> of_classes(tensors);
  for (std::size_t t = 0; t < tensors; ++t) {
    for (std::int64_t width = 0; width < kWidthCount; ++width) {
      const auto of = static_cast<std::int64_t>(t);
      of_classes[t][static_cast<std::size_t>(width)] = ratio_of(noise[of][width], signal[of][width]);
    }
  }
  return {.weights = of_weights(subject),
          .inputs = subject.by_layer(of_classes),
          .input_images = static_cast<int>(subject.images()),
          .passes = static_cast<double>(subject.images())};
}

}  // namespace

const SensitivityMeasure sqnr_measure{
    .name = "sqnr",
    .about = "signal to quantization noise in dB, forward only (Lin et al. 2016)",
    .is_noise_share = true,
    .measure = sqnr};

}  // namespace bitloop::quant
