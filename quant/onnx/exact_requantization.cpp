#include "quant/onnx/exact_requantization.h"

#include <cmath>

namespace bitloop::quant {
namespace {

constexpr double kLargestCode = 255;
/// Differences of a result that count as rounding of the multiplier, in its steps.
constexpr double kNoStep = 1.0 / 64;

}  // namespace

double power_of_two(int exponent) { return std::ldexp(1.0, exponent); }

double exact_bias(const host::Requantization& r) {
  return static_cast<double>(r.bias - (std::int64_t{1} << (r.shift - 1)));
}

double factor(double multiplier, double count, const host::Requantization& r, double in_scale,
              double out_scale) {
  const double whole = power_of_two(r.shift) * in_scale / (count * out_scale);
  const double error = std::fabs(multiplier - whole);
  const bool rounding = error <= 1 && error * count * kLargestCode / power_of_two(r.shift) <= kNoStep;
  return rounding ? 1.0 : multiplier / whole;
}

bool is_rounding(double bias, const host::Requantization& r) {
  return std::fabs(bias) <= kLargestCode && std::fabs(bias) / power_of_two(r.shift) <= kNoStep;
}

}  // namespace bitloop::quant
