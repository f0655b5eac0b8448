#pragma once

#include <ATen/ATen.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quant/quantizers/clipping.h"
#include "quant/quantizers/names.h"

namespace bitloop::quant {

/// How a quantizer trains the scales of activations.
enum class ScaleTraining {
  fixed,    ///< as calibrated
  learned,  ///< by the gradient of rounding and clipping (LSQ, Esser et al. 2020)
  clipped,  ///< by the values beyond the range alone (PACT, Choi et al. 2018)
};

/// Gradients of a weight's ratio, before rounding.
struct RatioGradient {
  at::Tensor weight;
  at::Tensor log_scale;  ///< of the logarithm of the scale, per filter; undefined: none
};

/// A way to quantize in training that ends in the hardware's integers: data, so that a new one is a new row.
struct Method {
  std::string_view name;
  std::string_view about;  ///< one line with its source
  bool learns_weight_scales = true;
  ScaleTraining activation_scale = ScaleTraining::learned;
  /// Weight to ratio (weight in units of its scale) before rounding; `scale` is [filter, 1...].
  at::Tensor (*ratio)(const at::Tensor& weight, const at::Tensor& scale, int bits) = nullptr;
  /// Backwards through it, from the gradient of the ratio.
  RatioGradient (*ratio_gradient)(const at::Tensor& gradient, const at::Tensor& weight,
                                  const at::Tensor& scale, const at::Tensor& ratio, int bits) = nullptr;
  /// Start scale [filter] from the clipping table's, where a method wants its own; null: the table's.
  at::Tensor (*start_scale)(const at::Tensor& weight, const at::Tensor& table_scale, int bits) = nullptr;
  double range_decay = 0;  ///< L2 penalty on activation ranges (PACT)
  /// The clipping that belongs to the method, whatever `Retraining::clipping` says; none: any goes.
  std::optional<Clipping> clipping = {};
};

/// `lsq`, `pact`, `dorefa`, `symmetric`. Throws InputError, listing them.
const Method& method_of(std::string_view name);

}  // namespace bitloop::quant
