#include "quant/quantizers/encoding.h"

#include <algorithm>
#include <cmath>

namespace bitloop::quant {
namespace {

double largest_value(int bits) { return bits == 1 ? 1 : bits == 2 ? 3 : bits == 4 ? 7 : 127; }

at::Tensor per_filter(const at::Tensor& values, const at::Tensor& like) {
  return like.dim() == 4 ? values.view({1, -1, 1, 1}) : values.view({1, -1});
}

}  // namespace

at::Tensor weight_values(const at::Tensor& ratio, int bits) {
  switch (bits) {
    case 1:
      return ratio.ge(0).to(ratio.scalar_type()).mul_(2).sub_(1);
    case 2:
      return ratio.mul(0.5).floor_().clamp_(-2, 1).mul_(2).add_(1);
    default:
      return ratio.add(0.5).floor_().clamp_(-largest_value(bits), largest_value(bits));
  }
}

at::Tensor weight_pass(const at::Tensor& ratio, int bits) {
  const double limit = bits == 1 ? 2 : bits == 2 ? 4 : largest_value(bits);
  return ratio.abs().le(limit).to(ratio.scalar_type());
}

at::Tensor weight_codes(const at::Tensor& values, int bits) {
  const auto [alpha, beta] = host::weight_code(bits);
  return values.add(beta).div_(alpha).to(at::kByte);
}

CodeRange code_range(int bits, bool is_signed) {
  const std::int32_t zero = is_signed ? 1 << (bits - 1) : 0;
  return {zero, -zero, (1 << bits) - 1 - zero};
}

Requantized requantize_codes(const at::Tensor& d, const at::Tensor& multiplier, const at::Tensor& offset,
                             const CodeRange& range) {
  at::Tensor exact = at::addcmul(per_filter(offset, d), d, per_filter(multiplier, d));
  at::Tensor codes = exact.add(0.5).floor_().clamp_(range.low, range.high);
  return {std::move(codes), std::move(exact)};
}

at::Tensor requantize_gradient(const at::Tensor& gradient, const at::Tensor& exact, const CodeRange& range) {
  // hardtanh's gradient is exactly this mask, in one pass.
  return at::hardtanh_backward(gradient, exact, range.low, range.high);
}

at::Tensor round_to_multiplier(const at::Tensor& values) {
  constexpr int kDropped = 24 - 16;  // a float has 24 significant bits
  return values.contiguous()
      .view(at::kInt)
      .add(1 << (kDropped - 1))
      .bitwise_and_(~((1 << kDropped) - 1))
      .view(at::kFloat);
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
