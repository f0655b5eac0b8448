#include "quant/quantizers/methods.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "host/base/error.h"
#include "quant/quantizers/level_grid.h"
#include "quant/tensor/per_filter.h"

namespace bitloop::quant {
namespace {

constexpr double kSmallest = 1e-8;

at::Tensor plain_ratio(const at::Tensor& weight, const at::Tensor& scale, int /*bits*/) {
  return weight / scale;
}

RatioGradient plain_gradient(const at::Tensor& gradient, const at::Tensor& /*weight*/,
                             const at::Tensor& scale, const at::Tensor& ratio, int /*bits*/) {
  return {gradient / scale, (gradient * ratio).flatten(1).sum(1).neg_()};
}

/// What DoReFa multiplies tanh(w) with: [filter, 1...].
at::Tensor tanh_factor(const at::Tensor& squashed, int bits) {
  const at::Tensor largest = squashed.flatten(1).abs().amax(1).clamp_min(kSmallest);
  return column(largest, squashed).reciprocal() * weight_grid(bits).high;
}

/// DoReFa's transform: tanh(w) / max |tanh(w)|, which fills [-1, 1], times the hardware's largest value. At 2
/// bits that is exactly q_k of the paper; at 4 and 8 bits the hardware's symmetric values with a zero stand
/// in for the paper's odd ones. The maximum is no part of the gradient, and is each filter's, as the
/// hardware's scales are. At 1 bit the paper takes the sign alone.
at::Tensor tanh_ratio(const at::Tensor& weight, const at::Tensor& scale, int bits) {
  if (bits == 1) return weight / scale;
  const at::Tensor squashed = weight.tanh();
  return squashed * tanh_factor(squashed, bits);
}

RatioGradient tanh_gradient(const at::Tensor& gradient, const at::Tensor& weight, const at::Tensor& scale,
                            const at::Tensor& ratio, int bits) {
  if (bits == 1) return plain_gradient(gradient, weight, scale, ratio, bits);
  const at::Tensor squashed = weight.tanh();
  return {gradient * tanh_factor(squashed, bits) * (1 - squashed.square()), {}};
}

/// Least squares fit of the transform's values to the weights: DoReFa's values mean nothing but a pattern,
/// and networks without batch norm behind a layer need its size too.
at::Tensor fitted_scale(const at::Tensor& weight, const at::Tensor& table_scale, int bits) {
  const at::Tensor ratio = tanh_ratio(weight.detach(), column(table_scale, weight), bits);
  const at::Tensor values = weight_values(ratio, bits).flatten(1);
  const at::Tensor product = values.mul(weight.detach().flatten(1)).sum(1);
  const at::Tensor scale = product / values.square().sum(1).clamp_min(1);
  return at::where(scale > kSmallest, scale, table_scale);
}

// PACT trains CIFAR-10 networks with the weights' own decay on its ranges.
constexpr double kPactDecay = 2e-4;

const Method kMethods[] = {
    {.name = "lsq",
     .about = "learned step size: scales follow the gradient of rounding and clipping (Esser et al. 2020)",
     .ratio = plain_ratio,
     .ratio_gradient = plain_gradient},
    {.name = "pact",
     .about = "DoReFa's weights; activation ranges follow the values beyond them (Choi et al. 2018)",
     .learns_weight_scales = false,
     .activation_scale = ScaleTraining::clipped,
     .ratio = tanh_ratio,
     .ratio_gradient = tanh_gradient,
     .start_scale = fitted_scale,
     .range_decay = kPactDecay},
    {.name = "dorefa",
     .about = "weights squashed by tanh onto all codes, fixed activation ranges (Zhou et al. 2016)",
     .learns_weight_scales = false,
     .activation_scale = ScaleTraining::fixed,
     .ratio = tanh_ratio,
     .ratio_gradient = tanh_gradient,
     .start_scale = fitted_scale},
    {.name = "symmetric",
     .about = "symmetric layer ranges, activation thresholds equalized over images (Wang et al., CMC 2024)",
     .learns_weight_scales = false,
     .activation_scale = ScaleTraining::fixed,
     .ratio = plain_ratio,
     .ratio_gradient = plain_gradient,
     .clipping = Clipping::equalized},
};

}  // namespace

const Method& method_of(std::string_view name) {
  const auto* found = std::ranges::find(kMethods, name, &Method::name);
  if (found == std::end(kMethods))
    throw InputError(
        fmt::format("no quantizer is named '{}': use one of {}", name, fmt::join(method_names(), ", ")));
  return *found;
}

std::vector<std::string> method_names() {
  std::vector<std::string> names;
  for (const Method& method : kMethods) names.emplace_back(method.name);
  return names;
}

}  // namespace bitloop::quant
