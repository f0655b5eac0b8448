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

double zero_of(const std::vector<double>& zeros, int channel) {
  return zeros.size() == 1 ? zeros[0] : zeros.at(static_cast<std::size_t>(channel));
}

double zero_dot(const host::Network& network, const host::Layer& layer, const host::QuantizedLayer& integers,
                const std::vector<double>& zeros, std::size_t filter) {
  const std::size_t each = integers.weights.size() / integers.requantization.size();
  const std::size_t taps = each / static_cast<std::size_t>(network.filter_channels(layer));
  const int first = network.first_channel(layer, static_cast<int>(filter));
  const host::WeightCode code = host::weight_code(integers.weight_bits);
  double sum = 0;
  for (std::size_t i = 0; i < each; ++i) {
    const int channel = first + static_cast<int>(i / taps);
    sum += zero_of(zeros, channel) * (code.alpha * integers.weights[filter * each + i] - code.beta);
  }
  return sum;
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
