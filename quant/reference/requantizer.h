#pragma once

#include <ATen/ATen.h>

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "host/network/quantized_network.h"

namespace bitloop::quant {

// The requantizations of the integer reference, as one pass over memory. Double holds d*M + B exactly (51
// bits), and so its quotient by a power of two: clamp(floor(d * scale + offset) + zero, low, high) with
// scale = M / 2^s and offset = B / 2^s is the integer formula. All tensors are channels-last in memory
// ([image, channel, row, column] with strides of [image, row, column, channel]) and hold integers; codes of
// up to 8 bits are bytes.

/// From the sums of a layer, or from 8-bit codes, to codes.
class Requantizer {
 public:
  /// One set per channel, or one for all; `negative` (leaky ReLU) as many or none. `constants` is added to
  /// each channel's numbers first; empty: none.
  Requantizer(std::span<const host::Requantization> sets, std::span<const host::Requantization> negative,
              std::span<const std::int64_t> constants, const host::OutputRange& range);

  /// Codes of `numbers`: bytes, 32-bit integers, float or double. In bytes, unless `wide`: then in double,
  /// for results of 32 bits.
  [[nodiscard]] at::Tensor operator()(const at::Tensor& numbers, bool wide) const;

 private:
  /// Per channel, repeated to at least kPattern numbers: the kernel's inner loop is never short.
  struct Affine {
    std::vector<double> scale, offset;
  };
  [[nodiscard]] static Affine affine_of(std::span<const host::Requantization> sets,
                                        std::span<const std::int64_t> constants);

  Affine affine_, negative_;
  host::OutputRange range_;
};

/// Of a function: a code for each of 256.
class CodeTable {
 public:
  explicit CodeTable(std::span<const std::uint8_t> codes);
  /// Bytes from bytes.
  [[nodiscard]] at::Tensor operator()(const at::Tensor& codes) const;

 private:
  std::array<std::uint8_t, host::kTableCodes> codes_{};
};

/// Of an add: clamp(((x1*M1 + x2*M2 + B) >> s) + zero, low, high).
class AddRequantizer {
 public:
  /// Two sets, one per operand: both multipliers count, shift and bias are the first's.
  AddRequantizer(std::span<const host::Requantization> sets, const host::OutputRange& range);
  /// Bytes of the sum from bytes.
  [[nodiscard]] at::Tensor operator()(const at::Tensor& first, const at::Tensor& second) const;

 private:
  std::array<double, 2> scales_{};
  double offset_ = 0;
  host::OutputRange range_;
};

}  // namespace bitloop::quant
