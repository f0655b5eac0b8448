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
};

inline constexpr double kBatchNormEpsilon = 1e-5;

/// A network as a user brings it: geometry, and float parameters where there are some. Without LibTorch, so
/// that `measure` starts fast.
struct FloatNetwork {
  host::Network network;
  std::vector<LayerParameters> parameters;  ///< per weight layer, in execution order; empty: untrained
  /// Per channel of the image, of pixel/255; empty where the model does not say.
  std::vector<float> mean, deviation;
  bool softmax = false;  ///< the model ends with one; networks end before it: it changes no prediction

  [[nodiscard]] bool trained() const { return !parameters.empty(); }
};

}  // namespace bitloop::quant
