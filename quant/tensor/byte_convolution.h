#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>

#include "host/network/network.h"

namespace bitloop::quant {

/// Below it floats hold all integers.
inline constexpr double kExactInFloat = 1 << 24;

/// Sums of windows of bytes times weights of 8 bits, exact below 2^24: oneDNN, which LibTorch has beside it
/// anyway, adds in 32 bits but brings results out through float. Four to ten times as fast as the same sums
/// in float.
///
/// For several threads at once.
class ByteConvolution {
 public:
  /// Whether it is exact on this processor for codes and weights of at most these magnitudes. Processors with
  /// VNNI add four products in 32 bits. Older ones add two in 16 bits, saturated, and for codes below 0
  /// oneDNN may halve weights there.
  [[nodiscard]] static bool is_exact(std::int64_t code, std::int64_t weight, bool is_signed = false);

  /// `weights`: [filter, channel of its group, row, column], whole numbers from -128 to 127 in any type.
  /// `window`: of their rows and columns; its padding reads 0.
  ByteConvolution(const at::Tensor& weights, const host::Window& window, std::int64_t groups);
  ~ByteConvolution();
  ByteConvolution(ByteConvolution&&) noexcept;
  ByteConvolution& operator=(ByteConvolution&&) noexcept;

  /// From [image, channel, row, column], kByte, or kChar for codes below 0, to sums in channels-last memory,
  /// kInt or kFloat.
  [[nodiscard]] at::Tensor operator()(const at::Tensor& codes, at::ScalarType type) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bitloop::quant
