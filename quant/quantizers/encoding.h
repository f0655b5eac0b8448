#pragma once

#include <ATen/ATen.h>

#include <cstdint>

#include "host/quantized_network.h"

namespace bitloop::quant {

// Weights. A weight stands for `value * scale`, value from {-1,1}, {-3,-1,1,3}, -7..7 or -127..127. `ratio`
// is weight / scale; all of this works on float tensors that hold integers.

/// The nearest value; upwards at ties, so that 0 becomes +1 at 1 and 2 bits.
at::Tensor weight_values(const at::Tensor& ratio, int bits);
/// 1 where the gradient passes (|ratio| within the outermost cell of 1 and 2 bits, or the largest value of 4
/// and 8 bits), else 0.
at::Tensor weight_pass(const at::Tensor& ratio, int bits);
/// Codes that the hardware stores: value = alpha * code - beta.
at::Tensor weight_codes(const at::Tensor& values, int bits);

// Activations. A code stands for `(code - zero) * scale`; all of this works on code - zero.

/// Limits of code - zero.
struct CodeRange {
  std::int32_t zero = 0;
  std::int32_t low = 0;
  std::int32_t high = 255;
};
CodeRange code_range(int bits, bool is_signed);

/// What quantizing a layer's result needs again in the backward pass.
struct Requantized {
  at::Tensor codes;  ///< code - zero
  at::Tensor exact;  ///< before rounding and clamping
};
/// codes = clamp(floor(d * multiplier + offset + 1/2), low, high); multiplier and offset per filter
/// (dimension 1).
Requantized requantize_codes(const at::Tensor& d, const at::Tensor& multiplier, const at::Tensor& offset,
                             const CodeRange& range);
/// Gradient before rounding and clamping: passes inside of the range, 0 outside.
at::Tensor requantize_gradient(const at::Tensor& gradient, const at::Tensor& exact, const CodeRange& range);

/// To 16 significant bits, half upwards: the multipliers that the hardware has.
at::Tensor round_to_multiplier(const at::Tensor& values);

/// M, s and B of a filter: y = round_half_up(d * multiplier + offset). Uses all 16 bits of M unless s or B
/// would leave its range.
host::Requantization to_requantization(double multiplier, double offset);

}  // namespace bitloop::quant
