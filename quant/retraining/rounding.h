#pragma once

#include <ATen/ATen.h>

#include <cmath>
#include <cstdint>

#include "host/network/function.h"
#include "quant/quantizers/encoding.h"
#include "quant/quantizers/methods.h"

namespace bitloop::quant {

// Requantization as training needs it, one pass over memory each way. All tensors are float; codes are code -
// zero. Arithmetic on the CPU is in double, where a dot product times a 16-bit multiplier is exact: the codes
// are those of the hardware. Elsewhere ATen's float operations do the same but for ties.

/// Whether the kernels here take it; for others LibTorch's operations do the same.
inline bool has_kernels(const at::Tensor& t) { return t.is_cpu() && t.scalar_type() == at::kFloat; }

/// An add's multipliers as the hardware has them: both shifted by the same `shift`, the larger of 16 bits.
struct SharedMultipliers {
  std::uint16_t first = 0, second = 0;
  int shift = 1;
  [[nodiscard]] double value(std::uint16_t multiplier) const { return std::ldexp(multiplier, -shift); }
};
SharedMultipliers share_multipliers(double first, double second);

/// An offset to the precision that the hardware's biases have beside this multiplier: M = multiplier * 2^s of
/// 16 bits gives the shift s, and the bias is a whole number of 2^-s.
float round_to_bias(float offset, float multiplier);
/// An offset of codes as a whole number of 1024ths: these are too small to show in codes, and large beside
/// the rounding of floats, so that what was exported with floats is read as what it was.
float round_to_parts(float offset);

/// The affine map from dot products to codes, per filter (dimension 1), or one for all.
struct Affine {
  at::Tensor multiplier;  ///< 0 or more, of 16 significant bits
  at::Tensor offset;      ///< of the precision of biases
  /// Leaky ReLU: the map where the first gives less than 0, that is `slope` times the first; else undefined.
  at::Tensor negative_multiplier, negative_offset, slope;
};

/// clamp(floor(d * multiplier + offset + 1/2), low, high), in the memory format of d.
at::Tensor round_to_codes(const at::Tensor& d, const Affine& affine, const CodeRange& range);
/// The same into `codes`, of d's sizes.
void round_to_codes(const at::Tensor& d, const Affine& affine, const CodeRange& range, at::Tensor codes);

/// Gradients through `round_to_codes`, straight through the rounding where the result is in the range.
struct RoundingGradient {
  at::Tensor d;
  at::Tensor multiplier, offset;  ///< per filter
  double log_scale = 0;           ///< of the logarithm of the codes' scale, at a constant real value of d
};
RoundingGradient rounding_gradient(const at::Tensor& gradient, const at::Tensor& d, const Affine& affine,
                                   const CodeRange& range, ScaleTraining training);

/// clamp(floor(x1 * m1 + x2 * m2 + 1/2), low, high)
at::Tensor add_codes(const at::Tensor& x1, const at::Tensor& x2, double m1, double m2,
                     const CodeRange& range);
struct AddGradient {
  at::Tensor passed;     ///< the gradient where the result is in the range: times m1 it is that of x1
  double log_scale = 0;  ///< as in RoundingGradient
};
AddGradient add_gradient(const at::Tensor& gradient, const at::Tensor& x1, const at::Tensor& x2, double m1,
                         double m2, const CodeRange& range, ScaleTraining training);

/// A function of codes as the hardware looks it up: for each of 256 codes, from the least on, the result's
/// code, and what gradients need.
struct FunctionTable {
  at::Tensor codes;     ///< less their zero
  at::Tensor rounding;  ///< code - exact where that is in the range, else 0
  at::Tensor clipped;   ///< code where the exact one is outside, else 0
  at::Tensor slope;     ///< of the exact code by the index where it is in the range, else 0
};
/// `least` is the code, less its zero, that the table begins with.
FunctionTable function_table(const host::Function& function, int least, double input_scale,
                             double result_scale, const CodeRange& range);
/// What a table says of each code, less its zero.
at::Tensor looked_up(const at::Tensor& table, const at::Tensor& codes, int least);
struct FunctionGradient {
  at::Tensor x;          ///< of the codes that were looked up
  double log_scale = 0;  ///< as in RoundingGradient
};
FunctionGradient function_gradient(const at::Tensor& gradient, const at::Tensor& codes, int least,
                                   const FunctionTable& table, ScaleTraining training);

/// gradient -= a + b * sums, per filter, in place.
void subtract_affine(at::Tensor& gradient, const at::Tensor& sums, const at::Tensor& a, const at::Tensor& b);

}  // namespace bitloop::quant
