#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "host/network/network.h"
#include "host/network/policy.h"

namespace bitloop::host {

/// Codes of one tensor of one image, in channel, row, column order (CHW). Unsigned codes of `bits` bits; the
/// network's result holds 32-bit signed numbers.
struct CodeTensor {
  Shape shape;
  int bits = 8;
  std::vector<std::int32_t> codes;
  bool operator==(const CodeTensor&) const = default;
};

/// y = clamp(((d * multiplier + bias) >> shift) + zero, low, high), arithmetic shift; d as in
/// `corrected_dot`. `bias` (50 signed bits) holds the layer's bias at the multiplier's precision plus the
/// rounding 2^(shift-1).
struct Requantization {
  std::uint16_t multiplier = 0;
  std::uint8_t shift = 1;  ///< 1..47
  std::int64_t bias = 0;
  bool operator==(const Requantization&) const = default;
};

/// Zero point and limits of a layer's output, shared by its filters.
struct OutputRange {
  std::int32_t zero = 0;
  std::int32_t low = 0;
  std::int32_t high = 255;
  bool operator==(const OutputRange&) const = default;
};

inline constexpr int kTableCodes = 256;  ///< of a function's table: one for each 8-bit code

/// The integers of one layer; all empty where a layer keeps codes.
struct QuantizedLayer {
  int weight_bits = 8;
  std::vector<std::uint8_t> weights;  ///< codes, [filter][channel that it reads][row][column]
  /// Per filter (channel) of a layer with weights; of an average pool, for the sum of a window, one per
  /// number of taps that windows count (`counted_taps`); one of a product; two of an add, one per operand:
  /// both multipliers count, shift and bias are the first's.
  std::vector<Requantization> requantization;
  std::vector<Requantization> negative;  ///< leaky ReLU: per filter, where the first gives less than zero
  OutputRange range;
  std::vector<std::uint8_t> pad_codes;  ///< code of the padding, per input channel (also of an average pool)
  std::vector<std::uint8_t> table;      ///< of a function: the result's code for each of its input's 256
};

/// From a tensor's 8-bit codes to those of its narrow form.
struct Narrowing {
  Requantization requantization;
  OutputRange range;
};

/// A network with the integers that the hardware needs: what quantization produces and the compiler lowers.
struct QuantizedNetwork {
  Network network;
  Policy policy;
  TensorBits bits;
  std::vector<QuantizedLayer> layers;  ///< per layer of the network
  std::vector<Narrowing> narrowing;    ///< per tensor; meaningful where it has a narrow form
};

/// Random weights, multipliers and biases that spread results over the output range: for measurements and
/// tests, where cycles and exactness matter and accuracy does not.
QuantizedNetwork random_quantization(const Network& network, const Policy& policy, std::uint64_t seed);

// The golden integer functions: each defines one operation, for RTL, integer reference and devices alike.

/// (alpha, beta) of a weight width: weight value = alpha * code - beta.
struct WeightCode {
  int alpha;
  int beta;
};
constexpr WeightCode weight_code(int weight_bits) {
  switch (weight_bits) {
    case 1:
      return {2, 1};
    case 2:
      return {2, 3};
    case 4:
      return {1, 8};
    default:
      return {1, 128};
  }
}

/// d = alpha * acc - beta * rowsum, 34 signed bits.
constexpr std::int64_t corrected_dot(std::int64_t acc, std::int64_t rowsum, int weight_bits) {
  const WeightCode code = weight_code(weight_bits);
  return code.alpha * acc - code.beta * rowsum;
}

constexpr std::int32_t requantize(std::int64_t d, const Requantization& r, const OutputRange& range) {
  const std::int64_t y = ((d * r.multiplier + r.bias) >> r.shift) + range.zero;
  return static_cast<std::int32_t>(y < range.low ? range.low : y > range.high ? range.high : y);
}

/// Leaky ReLU: `negative` applies where the first set gives less than zero before the zero point is added.
constexpr std::int32_t requantize_leaky(std::int64_t d, const Requantization& r,
                                        const Requantization& negative, const OutputRange& range) {
  const bool below = d * r.multiplier + r.bias - (std::int64_t{1} << (r.shift - 1)) < 0;
  return requantize(d, below ? negative : r, range);
}

/// Convolution, depthwise convolution or linear layer on codes. `output_bits` is recorded in the result.
CodeTensor golden_weight_layer(const Network& network, const Layer& layer, const QuantizedLayer& integers,
                               const CodeTensor& input, int output_bits);
/// Largest code of each window; padding never wins.
CodeTensor golden_max_pool(const Network& network, const Layer& layer, const CodeTensor& input);
/// The requantized sum of each window's codes, padding counted by its code, by the set of the taps that
/// count.
CodeTensor golden_average_pool(const Network& network, const Layer& layer, const QuantizedLayer& integers,
                               const CodeTensor& input, int output_bits);
/// y = clamp(((x1*M1 + x2*M2 + B) >> s) + z, low, high) on 8-bit codes.
CodeTensor golden_add(const QuantizedLayer& integers, const CodeTensor& first, const CodeTensor& second,
                      int output_bits);
/// table[code] of 8-bit codes.
CodeTensor golden_function(const QuantizedLayer& integers, const CodeTensor& input, int output_bits);
/// y = clamp((((x1 - z1) * (x2 - z2) * M + B) >> s) + z, low, high) on 8-bit codes, x2 of the channel; z1 and
/// z2 are 128 of signed tensors, else 0.
CodeTensor golden_product(const Network& network, const Layer& layer, const QuantizedLayer& integers,
                          const CodeTensor& first, const CodeTensor& vector, int output_bits);
CodeTensor golden_concat(std::span<const CodeTensor* const> inputs);
CodeTensor golden_interleave(std::span<const CodeTensor* const> inputs, const Steps& steps);
CodeTensor golden_upsample(const CodeTensor& input, const Steps& factor);
/// The channels of the input that `channels` names, in that order.
CodeTensor golden_select(const CodeTensor& input, std::span<const int> channels);
/// The narrow form of a tensor of 8-bit codes.
CodeTensor golden_narrow(const Narrowing& narrowing, const CodeTensor& wide, int bits);

/// Pixel bytes in row, column, channel order (HWC) to the codes of the network's input tensor.
CodeTensor image_codes(const Shape& shape, std::span<const std::uint8_t> hwc);

/// The codes of the network's input tensor: pixels, or, without an image, codes of `bits` bits, one byte each
/// (HWC). Throws InputError where a byte is no such code or the count is wrong.
CodeTensor input_codes(const Shape& shape, int bits, std::span<const std::uint8_t> hwc);

/// Every tensor of one image in every form that it has, index as in Network::tensors.
struct TensorCodes {
  std::vector<CodeTensor> written;
  std::vector<CodeTensor> narrow;  ///< without codes where there is none
  /// What a layer reads of a tensor.
  [[nodiscard]] const CodeTensor& read(const TensorBits& bits, const Layer& layer, int tensor) const {
    return reads_narrow(bits, layer, tensor) ? narrow[tensor] : written[tensor];
  }
};

/// Runs one image. Slow and plain: the definition.
TensorCodes golden_run(const QuantizedNetwork& network, std::span<const std::uint8_t> hwc_image);

}  // namespace bitloop::host
