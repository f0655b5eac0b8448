#pragma once

#include <vector>

#include "host/network/network.h"

namespace bitloop::quant {

/// Float parameters of one layer with weights. With batch norm (`Layer::batch_norm`): gain, shift, mean and
/// variance (its epsilon is kBatchNormEpsilon: whoever reads another one adds the difference to the
/// variance), no bias; without: bias, no others.
struct LayerParameters {
  std::vector<float> weight;  ///< [filter][channel][row][column]; depthwise [channel][row][column]
  std::vector<float> bias;
  std::vector<float> gain, shift, mean, variance;
  /// Per filter: its weights are whole multiples of it in a quantized file. Empty where the file says none,
  /// and a hint only: what joins the layer may have changed the weights.
  std::vector<float> weight_scale = {};
};

inline constexpr double kBatchNormEpsilon = 1e-5;

/// What a network does to its input: (x - mean) / deviation, per channel; empty: nothing is said.
struct Normalization {
  std::vector<float> mean, deviation;
  [[nodiscard]] bool empty() const { return mean.empty(); }
  /// Whether these are numbers for pixels of 0..255, not of 0..1.
  [[nodiscard]] bool of_bytes() const;
};
/// Both in a row, the second on the first one's result; one that is empty changes nothing.
Normalization in_a_row(const Normalization& first, const Normalization& second);

/// A network as a user brings it: geometry, and float parameters where there are some. Without LibTorch, so
/// that `measure` starts fast.
struct FloatNetwork {
  host::Network network;
  std::vector<LayerParameters> parameters;  ///< per weight layer, in execution order; empty: untrained
  /// Per channel of the image, of pixel/255; empty where the model does not say.
  std::vector<float> mean, deviation;
  /// What the file itself does to its input before the first layer, where that is left to the pixels: the
  /// network reads its result, and `mean` and `deviation` contain it.
  Normalization own;
  bool softmax = false;  ///< the model ends with one; networks end before it: it changes no prediction

  [[nodiscard]] bool trained() const { return !parameters.empty(); }
};

}  // namespace bitloop::quant
