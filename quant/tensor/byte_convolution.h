#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>

#include "host/network/network.h"

namespace bitloop::quant {

/// Sums of windows of bytes times weights of 8 bits, exact in 32 bits: oneDNN's convolutions, which LibTorch
/// has beside it anyway. Four to ten times as fast as the same sums in float.
///
/// For several threads at once.
class ByteConvolution {
 public:
  /// Whether oneDNN's sums are exact on this processor for codes and weights of at most these magnitudes; it
  /// shifts kChar codes to 0..255. Processors with VNNI add four products in 32 bits. Older ones add two in
  /// 16 bits, saturated.
  [[nodiscard]] static bool is_exact(std::int64_t code, std::int64_t weight);

  /// `weights`: [filter, channel of its group, row, column], whole numbers from -128 to 127 in any type.
  /// `window`: of their rows and columns; its padding reads 0.
  ByteConvolution(const at::Tensor& weights, const host::Window& window, std::int64_t groups);
  ~ByteConvolution();
  ByteConvolution(ByteConvolution&&) noexcept;
  ByteConvolution& operator=(ByteConvolution&&) noexcept;

  /// From [image, channel, row, column], kByte, or kChar for codes below 0, to sums in channels-last memory:
  /// kInt, or kFloat where they lie below 2^24.
  [[nodiscard]] at::Tensor operator()(const at::Tensor& codes, at::ScalarType type) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bitloop::quant
