#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>
#include <vector>

#include "host/policy.h"
#include "quant/evaluation.h"

namespace bitloop::quant {

// Ways to compress weights that the hardware cannot compute with at their width: for comparison only. Weights
// alone are quantized, all else stays in float.

/// `k-means` (Deep Compression, Han et al. 2016), `admm` (Leng et al. 2018).
std::vector<std::string> comparison_names();

struct ComparisonResult {
  Accuracy accuracy;
  std::int64_t size_bits = 0;  ///< of all weights as stored, with code books or scales
  bool executable = false;     ///< never at these widths
  std::string note;            ///< why, for users
};

/// Trains the checkpoint under `policy`'s weight bits with the quantizer that `options` names and gives its
/// accuracy on `split`. Distillation, subset, rate, batch, seed, optimizer and augmentation are those of
/// `options`; no clipping and no patience. Throws InputError for an unknown name, a policy of another network
/// and options out of range.
ComparisonResult compare_quantizer(const host::Network& network, const FloatCheckpoint& checkpoint,
                                   const Dataset& data, const host::Policy& policy, const Retraining& options,
                                   const Split& split);

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
