#pragma once

#include <ATen/ATen.h>

#include <cstdint>

#include "host/network/quantized_network.h"

namespace bitloop::quant {

// Weights. A weight stands for `value * scale`, value from {-1,1}, {-3,-1,1,3}, -7..7 or -127..127. `ratio`
// is weight / scale; all of this works on float tensors that hold integers.

/// value = clamp(floor(ratio / spacing + before), low, high) * spacing + shift: the nearest one, upwards at
/// ties, so that 0 becomes +1 at 1 and 2 bits.
struct WeightRounding {
  float spacing = 1;   ///< of values
  float before = 0.5;  ///< 1/2 where 0 is a value, else 0
  float low = 0, high = 0;
  float shift = 0;
  /// The gradient passes where |ratio| is at most that: within the outermost cell of 1 and 2 bits, or the
  /// largest value of 4 and 8 bits.
  float limit = 0;
};
WeightRounding weight_rounding(int bits);
at::Tensor weight_values(const at::Tensor& ratio, int bits);
/// 1 where the gradient passes, else 0.
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

/// To 16 significant bits, half upwards: the multipliers that the hardware has. 0 or more.
float round_to_multiplier(float value);

/// M, s and B of a filter: y = round_half_up(d * multiplier + offset). Uses all 16 bits of M unless s or B
/// would leave its range.
host::Requantization to_requantization(double multiplier, double offset);

}  // namespace bitloop::quant
