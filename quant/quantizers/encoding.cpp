#include "quant/quantizers/encoding.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace bitloop::quant {

WeightRounding weight_rounding(int bits) {
  switch (bits) {
    case 1:
      return {.spacing = 2, .before = 0, .low = -1, .high = 0, .shift = 1, .limit = 2};
    case 2:
      return {.spacing = 2, .before = 0, .low = -2, .high = 1, .shift = 1, .limit = 4};
    case 4:
      return {.low = -7, .high = 7, .limit = 7};
    default:
      return {.low = -127, .high = 127, .limit = 127};
  }
}

at::Tensor weight_values(const at::Tensor& ratio, int bits) {
  const WeightRounding to = weight_rounding(bits);
  return ratio.mul(1 / to.spacing)
      .add_(to.before)
      .floor_()
      .clamp_(to.low, to.high)
      .mul_(to.spacing)
      .add_(to.shift);
}

at::Tensor weight_pass(const at::Tensor& ratio, int bits) {
  return ratio.abs().le(weight_rounding(bits).limit).to(ratio.scalar_type());
}

at::Tensor weight_codes(const at::Tensor& values, int bits) {
  const auto [alpha, beta] = host::weight_code(bits);
  return values.add(beta).div_(alpha).to(at::kByte);
}

CodeRange code_range(int bits, bool is_signed) {
  const std::int32_t zero = is_signed ? 1 << (bits - 1) : 0;
  return {zero, -zero, (1 << bits) - 1 - zero};
}

float round_to_multiplier(float value) {
  constexpr std::uint32_t kDropped = 24 - 16;  // a float has 24 significant bits
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value) + (1U << (kDropped - 1));
  return std::bit_cast<float>(bits & ~((1U << kDropped) - 1));
}

host::Requantization to_requantization(double multiplier, double offset) {
  constexpr int kLargestShift = 47;
  constexpr double kLargestBias = static_cast<double>(std::int64_t{1} << 49) - 1;
  int shift = kLargestShift;
  const auto fits = [&](int s) {
    const double rounding = std::ldexp(1.0, s - 1);
    return std::floor(std::ldexp(multiplier, s) + 0.5) <= 65535 &&
           std::abs(std::ldexp(offset, s)) + rounding <= kLargestBias;
  };
  while (shift > 1 && !fits(shift)) --shift;
  host::Requantization r;
  r.shift = static_cast<std::uint8_t>(shift);
  r.multiplier =
      static_cast<std::uint16_t>(std::clamp(std::floor(std::ldexp(multiplier, shift) + 0.5), 0.0, 65535.0));
  const double bias = std::floor(std::ldexp(offset, shift) + 0.5) + std::ldexp(1.0, shift - 1);
  r.bias = static_cast<std::int64_t>(std::clamp(bias, -kLargestBias, kLargestBias));
  return r;
}

}  // namespace bitloop::quant
