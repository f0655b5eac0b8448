#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "host/network/quantized_network.h"

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

/// Mean and standard deviation of numbers that are about to be requantized, or that it should give.
struct Spread {
  double mean = 0;
  double deviation = 0;
};

Spread code_spread(int bits) { return {code_mean(bits), code_deviation(bits)}; }

/// Results around the middle of the range, before the zero point is added.
Spread wanted_spread(const OutputRange& range, int bits, std::mt19937_64& random) {
  return {bits == 32 ? 0 : (1 << bits) / 2.0 - range.zero, wanted_deviation(bits, random)};
}

/// Powers of two make ties (also negative ones) frequent.
std::uint16_t random_multiplier(std::mt19937_64& random) {
  return static_cast<std::uint16_t>(random() % 4 == 0 ? 1u << (random() % 16) : 1 + random() % 65535);
}

/// Shift and bias that take sums of products (multiples of `unit`) to wanted results.
void fit(Requantization& result, const Spread& product, std::int64_t unit, const Spread& wanted) {
  const double shift = std::log2(std::max(1e-9, product.deviation / wanted.deviation));
  result.shift = static_cast<std::uint8_t>(std::clamp(std::lround(shift), 1L, 47L));
  const double bias = std::floor(wanted.mean * std::ldexp(1.0, result.shift) - product.mean);
  const auto limit = static_cast<double>(kLargestBias);
  result.bias = static_cast<std::int64_t>(std::clamp(bias, -limit, limit));
  if (unit % 2 == 0) result.bias -= result.bias % unit;  // keep the ties: a bias in products' units
  result.bias =
      std::clamp(result.bias + (std::int64_t{1} << (result.shift - 1)), -kLargestBias, kLargestBias);
}

Requantization random_requantization(const Spread& dot, const Spread& wanted, std::mt19937_64& random) {
  Requantization result;
  result.multiplier = random_multiplier(random);
  fit(result, {dot.mean * result.multiplier, dot.deviation * result.multiplier}, result.multiplier, wanted);
  return result;
}

/// The sum of a filter's weights as values, for the mean of its dot products.
double weight_sum(const QuantizedLayer& layer, long first, long count) {
  const WeightCode code = weight_code(layer.weight_bits);
  double sum = 0;
  for (long i = first; i < first + count; ++i) sum += code.alpha * layer.weights[i] - code.beta;
  return sum;
}

std::vector<std::uint8_t> random_pads(const Network& network, const Layer& layer, int bits,
                                      std::mt19937_64& random) {
  const Tensor& input = network.tensors[layer.input()];
  const bool image = network.image_input && layer.input() == network.input;
  std::vector<std::uint8_t> pads(input.shape.channels, input.is_signed ? std::uint8_t(1 << (bits - 1)) : 0);
  if (image) {
    for (std::uint8_t& pad : pads) pad = static_cast<std::uint8_t>(random());
  }
  return pads;
}

/// Code 0 of 4 and 8 bits, which has no counterpart of the other sign, is rare: weights around zero keep the
/// mean of windows that are mostly padding near that of the others.
std::uint8_t random_weight(int bits, std::mt19937_64& random) {
  const auto largest = (1u << bits) - 1;
  const auto code = static_cast<std::uint8_t>(random() & largest);
  if (bits < 4 || code != 0 || random() % 8 == 0) return code;
  return static_cast<std::uint8_t>(1 + random() % largest);
}

/// A conv, depthwise or linear layer. The negative side of a leaky ReLU has numbers of its own, from as steep
/// as the positive side to a quarter of that.
void fill_weight_layer(QuantizedLayer& result, const Network& network, const Layer& layer, int input_bits,
                       const Spread& wanted, std::mt19937_64& random) {
  result.weights.resize(static_cast<std::size_t>(network.weight_count(layer)));
  for (std::uint8_t& code : result.weights) code = random_weight(result.weight_bits, random);
  result.pad_codes = random_pads(network, layer, input_bits, random);

  const int filters = network.output_shape(layer).channels;
  const long window = network.weight_count(layer) / filters;
  const double deviation = weight_code(result.weight_bits).alpha * code_deviation(result.weight_bits) *
                           code_deviation(input_bits) * std::sqrt(window);
  const double negative_slope = 1.0 / static_cast<double>(1 + random() % 4);
  for (int f = 0; f < filters; ++f) {
    const Spread dot{code_mean(input_bits) * weight_sum(result, f * window, window), deviation};
    result.requantization.push_back(random_requantization(dot, wanted, random));
    if (layer.activation != Activation::leaky_relu) continue;
    const Spread wanted_below{wanted.mean * negative_slope, wanted.deviation * negative_slope};
    result.negative.push_back(random_requantization(dot, wanted_below, random));
  }
}

void fill_average_pool(QuantizedLayer& result, const Network& network, const Layer& layer, int input_bits,
                       const Spread& wanted, std::mt19937_64& random) {
  const Window window = layer_window(network, layer);
  const double taps = static_cast<double>(window.height) * window.width;
  const Spread sum{code_mean(input_bits) * taps, code_deviation(input_bits) * std::sqrt(taps)};
  for (std::size_t i = 0; i < counted_taps(network, layer).size(); ++i)
    result.requantization.push_back(random_requantization(sum, wanted, random));
  result.pad_codes = random_pads(network, layer, input_bits, random);
}

void fill_add(QuantizedLayer& result, const Spread& wanted, std::mt19937_64& random) {
  Requantization first;
  Requantization second;
  first.multiplier = random_multiplier(random);
  // One multiplier for both keeps ties frequent; two of about one size let both operands count.
  second.multiplier = random() % 2 == 0
                          ? first.multiplier
                          : static_cast<std::uint16_t>(first.multiplier / 2 + 1 + random() % 0x7fff);
  const Spread code = code_spread(8);
  fit(first,
      {code.mean * (first.multiplier + second.multiplier),
       code.deviation * std::hypot(first.multiplier, second.multiplier)},
      std::gcd(first.multiplier, second.multiplier), wanted);
  second.shift = first.shift;
  result.requantization = {first, second};
}

/// Of two codes, less 128 where their tensors are signed.
void fill_product(QuantizedLayer& result, const Network& network, const Layer& layer, const Spread& wanted,
                  std::mt19937_64& random) {
  const auto mean = [&](int input) {
    return code_mean(8) - (network.tensors[layer.inputs[input]].is_signed ? 128 : 0);
  };
  const double deviation = code_deviation(8) * (code_deviation(8) + std::fabs(mean(0)) + std::fabs(mean(1)));
  result.requantization = {random_requantization({mean(0) * mean(1), deviation}, wanted, random)};
}

void fill_function(QuantizedLayer& result, std::mt19937_64& random) {
  const auto codes = static_cast<unsigned>(result.range.high - result.range.low + 1);
  for (int code = 0; code < kTableCodes; ++code)
    result.table.push_back(static_cast<std::uint8_t>(result.range.low + static_cast<int>(random() % codes)));
}

/// The integers of one layer; none where it keeps codes. `weights` is the policy's entry of a layer that has
/// one.
QuantizedLayer random_layer(const Network& network, const Layer& layer, const TensorBits& bits,
                            const LayerBits* weights, std::mt19937_64& random) {
  QuantizedLayer result;
  if (layer.keeps_codes()) return result;
  const int output_bits = bits.written[layer.output];
  result.range = random_range(network.tensors[layer.output], output_bits, random);
  const Spread wanted = wanted_spread(result.range, output_bits, random);
  if (weights != nullptr) {
    result.weight_bits = weights->weight_bits;
    fill_weight_layer(result, network, layer, bits.read(layer.input()), wanted, random);
  } else if (layer.kind == LayerKind::add) {
    fill_add(result, wanted, random);
  } else if (layer.kind == LayerKind::product) {
    fill_product(result, network, layer, wanted, random);
  } else if (layer.kind == LayerKind::function) {
    fill_function(result, random);
  } else {
    fill_average_pool(result, network, layer, bits.written[layer.input()], wanted, random);
  }
  return result;
}

Narrowing random_narrowing(const Tensor& tensor, int bits, std::mt19937_64& random) {
  Narrowing result;
  result.range = random_range(tensor, bits, random);
  Spread wanted = wanted_spread(result.range, bits, random);
  wanted.deviation *= std::sqrt(2.0);  // codes end at 1.7 deviations, so both ends need a larger one
  result.requantization = random_requantization(code_spread(8), wanted, random);
  return result;
}

}  // namespace

QuantizedNetwork random_quantization(const Network& network, const Policy& policy, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  QuantizedNetwork result{network, policy, tensor_bits(network, policy), {}, {}};
  auto weights = policy.layers.begin();
  for (const Layer& layer : network.layers) {
    const LayerBits* bits = layer.has_weights() ? &*weights++ : nullptr;
    result.layers.push_back(random_layer(network, layer, result.bits, bits, random));
  }
  for (std::size_t i = 0; i < network.tensors.size(); ++i) {
    const int bits = result.bits.narrow[i];
    result.narrowing.push_back(bits != 0 ? random_narrowing(network.tensors[i], bits, random) : Narrowing{});
  }
  return result;
}

}  // namespace bitloop::host
