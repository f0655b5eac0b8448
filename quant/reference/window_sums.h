#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "host/network/quantized_network.h"
#include "quant/tensor/byte_convolution.h"

namespace bitloop::quant {

/// The sums of a layer's windows on integer codes, exact. Where sums lie below 2^24 and the processor
/// multiplies bytes exactly, as they are (ByteConvolution). Else in float, where every partial sum of a
/// window, in whatever order a float convolution adds, lies below 2^24, up to which floats hold all integers
/// (no Winograd: the weights' sizes are those that are multiplied). A reduction that is too long for that is
/// cut into parts, each exact in float, that are added in double; a single channel that is too long is summed
/// in double.
///
/// In float the padding's codes are subtracted from the input first, where they are not 0: padding is then 0
/// and the sums lack `constants()`.
class WindowSums {
 public:
  WindowSums() = default;
  /// Of a layer with weights, or an average pool; `input_bits` of the codes that it reads.
  WindowSums(const host::Network& network, const host::Layer& layer, const host::QuantizedLayer& integers,
             int input_bits);

  /// [image, filter, row, column], 32-bit integers, float or double, from bytes; `layer` as at construction.
  [[nodiscard]] at::Tensor operator()(const host::Layer& layer, const at::Tensor& codes) const;
  /// Per filter (channel): what is missing in the sums. Empty: nothing.
  [[nodiscard]] const std::vector<std::int64_t>& constants() const { return constants_; }

 private:
  /// Inputs (channels; of a linear layer the elements of its input, in row, column, channel order) that are
  /// summed together, and their weights.
  struct Part {
    std::int64_t first = 0;
    std::int64_t count = 0;
    at::Tensor values;  ///< alpha * code - beta; of an average pool 1, for its type
  };
  void set_weights(const host::Network& network, const host::Layer& layer,
                   const host::QuantizedLayer& integers, int input_bits);
  /// `values` as they are multiplied.
  [[nodiscard]] bool takes_bytes(const host::Layer& layer, const at::Tensor& values, int input_bits);
  void cut(const at::Tensor& values, const at::Tensor& pad, int input_bits);
  [[nodiscard]] at::Tensor sum(const host::Layer& layer, const at::Tensor& x, const Part& part) const;

  std::optional<ByteConvolution> bytes_;
  std::vector<Part> parts_;  ///< where `bytes_` is none: one, where there are groups
  std::int64_t groups_ = 1;
  at::Tensor pad_;  ///< [1, channel, 1, 1] in float; undefined: 0
  std::vector<std::int64_t> constants_;
};

/// Largest number of each window; padding never wins. Channels-last; bytes, 32-bit integers, float or double.
at::Tensor window_maxima(const host::Layer& layer, const at::Tensor& x);

}  // namespace bitloop::quant
