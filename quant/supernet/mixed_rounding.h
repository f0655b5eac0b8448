#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "quant/quantizers/encoding.h"

namespace bitloop::quant {

/// A form that a tensor may have: codes less their zero, of one scale.
struct RoundedForm {
  double scale = 1;
  CodeRange range{};
};

/// What is read of a tensor that has each form for a share: the sum of share * scale * code. Differentiable
/// by `x`, straight through the rounding of every form that does not clip there, and by `shares` (doubles,
/// one per form). One pass over memory each way; keeps nothing but `x`.
at::Tensor mixed_rounding(const at::Tensor& x, const at::Tensor& shares,
                          const std::vector<RoundedForm>& forms);

}  // namespace bitloop::quant
