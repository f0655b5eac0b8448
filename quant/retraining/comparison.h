#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/network/policy.h"
#include "quant/data/accuracy.h"
#include "quant/retraining/retraining.h"
#include "quant/training/float_checkpoint.h"

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

}  // namespace bitloop::quant
