#pragma once

#include <ATen/ATen.h>

namespace bitloop::quant {

// Weights compressed in ways that the hardware cannot compute with: for comparison only
// (quant/retraining/comparison.h).

/// A layer's weights as a code book and places in it.
struct Clusters {
  at::Tensor centroids;   ///< [2^bits], rising
  at::Tensor assignment;  ///< of the weights' shape, int64
  [[nodiscard]] at::Tensor weights() const;
};
/// Lloyd's algorithm from centroids that are spread evenly from the least to the largest weight, which keeps
/// the few large weights their own (section 3.2 of Deep Compression). Clusters may stay empty.
Clusters cluster_weights(const at::Tensor& weights, int bits);

/// The nearest weights of the form scale * value, value from those of `weight_values`, one scale for the
/// whole layer: by turns the best values for the scale and the best scale for the values.
at::Tensor project_to_levels(const at::Tensor& weights, int bits);

}  // namespace bitloop::quant
