#include <algorithm>
#include <cmath>
#include <random>

#include "host/quantized_network.h"

namespace bitloop::host {
namespace {

constexpr std::int64_t kLargestBias = (std::int64_t{1} << 49) - 1;

/// Mean and standard deviation of codes of `bits` bits, all equally likely.
double code_mean(int bits) { return ((1 << bits) - 1) / 2.0; }
double code_deviation(int bits) { return std::sqrt((std::pow(4.0, bits) - 1) / 12); }

OutputRange random_range(const Tensor& tensor, int bits, std::mt19937_64& random) {
  if (bits == 32)
    return {0, std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max()};
  const std::int32_t high = (1 << bits) - 1;
  const std::int32_t middle = 1 << (bits - 1);
  return {tensor.is_signed || random() % 2 == 0 ? middle : 0, 0, high};
}

/// Spread that fills the range and saturates a few results at both ends. 32-bit results saturate in one layer
/// of two.
double wanted_deviation(int bits, std::mt19937_64& random) {
  if (bits == 32) return std::ldexp(1.0, random() % 2 == 0 ? 30 : 16);
  return std::max(0.6, (1 << bits) / 3.0);
}

/// The sum of a filter's weights as values, for the mean of its dot products.
double weight_sum(const QuantizedLayer& layer, long first, long count) {
  const WeightCode code = weight_code(layer.weight_bits);
  double sum = 0;
  for (long i = first; i < first + count; ++i) sum += code.alpha * layer.weights[i] - code.beta;
  return sum;
}

Requantization random_requantization(double mean_dot, double dot_deviation, double deviation, double middle,
                                     std::mt19937_64& random) {
  Requantization result;
  // Powers of two make ties (also negative ones) frequent.
  result.multiplier =
      static_cast<std::uint16_t>(random() % 4 == 0 ? 1u << (random() % 16) : 1 + random() % 65535);
  const double shift = std::log2(std::max(1e-9, dot_deviation * result.multiplier / deviation));
  result.shift = static_cast<std::uint8_t>(std::clamp(std::lround(shift), 1L, 47L));
  const double bias = middle * std::ldexp(1.0, result.shift) - mean_dot * result.multiplier;
  const auto limit = static_cast<double>(kLargestBias);
  result.bias = static_cast<std::int64_t>(std::clamp(std::floor(bias), -limit, limit));
  if (result.multiplier % 2 == 0) {  // keep the ties: a bias in units of the multiplier
    result.bias -= result.bias % result.multiplier;
  }
  result.bias =
      std::clamp(result.bias + (std::int64_t{1} << (result.shift - 1)), -kLargestBias, kLargestBias);
  return result;
}

std::vector<std::uint8_t> random_pads(const Network& network, const Layer& layer, int bits,
                                      std::mt19937_64& random) {
  const Tensor& input = network.tensors[layer.input];
  const bool image = network.image_input && layer.input == network.input;
  std::vector<std::uint8_t> pads(input.shape.channels, input.is_signed ? std::uint8_t(1 << (bits - 1)) : 0);
  if (image) {
    for (std::uint8_t& pad : pads) pad = static_cast<std::uint8_t>(random());
  }
  return pads;
}

QuantizedLayer random_layer(const Network& network, const Layer& layer, int weight_bits, int input_bits,
                            int output_bits, std::mt19937_64& random) {
  QuantizedLayer result;
  result.weight_bits = weight_bits;
  result.weights.resize(static_cast<std::size_t>(network.weight_count(layer)));
  for (std::uint8_t& code : result.weights)
    code = static_cast<std::uint8_t>(random() & ((1u << weight_bits) - 1));
  result.range = random_range(network.tensors[layer.output], output_bits, random);
  result.pad_codes = random_pads(network, layer, input_bits, random);

  const int filters = network.output_shape(layer).channels;
  const long window = network.weight_count(layer) / filters;
  const double middle = output_bits == 32 ? 0 : (1 << output_bits) / 2.0 - result.range.zero;
  const double dot_deviation = weight_code(weight_bits).alpha * code_deviation(weight_bits) *
                               code_deviation(input_bits) * std::sqrt(window);
  const double deviation = wanted_deviation(output_bits, random);
  for (int f = 0; f < filters; ++f) {
    const double mean_dot = code_mean(input_bits) * weight_sum(result, f * window, window);
    result.requantization.push_back(
        random_requantization(mean_dot, dot_deviation, deviation, middle, random));
  }
  return result;
}

}  // namespace

QuantizedNetwork random_quantization(const Network& network, const Policy& policy, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  QuantizedNetwork result{network, policy, tensor_bits(network, policy), {}};
  for (const Layer* layer : network.weight_layers()) {
    const LayerBits& bits = policy.layers[result.layers.size()];
    result.layers.push_back(random_layer(network, *layer, bits.weight_bits, bits.input_bits,
                                         result.tensor_bits[layer->output], random));
  }
  return result;
}

}  // namespace bitloop::host
