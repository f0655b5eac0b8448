#pragma once

#include <vector>

#include "host/network/network.h"

namespace bitloop::quant {

/// One step of a pass through a network: a layer with the max pool that follows it where it has weights and
/// nothing else reads its result, or a max pool alone. Requantization never decreases in the dot product (but
/// a leaky ReLU's may), so pooling comes first: it is the same bytes for a fourth of the work.
struct Step {
  int index = 0;                       ///< of the layer, or of the pool alone, in Network::layers
  int weight_layer = -1;               ///< index among the weight layers; -1: it has no weights
  const host::Layer* layer = nullptr;  ///< null: a max pool alone
  const host::Layer* pool = nullptr;
  int input = 0;   ///< first tensor that is read
  int output = 0;  ///< tensor that is written: the pool's where there is one
};

/// The layer, or the pool that stands alone.
inline const host::Layer& layer_of(const Step& step) {
  return step.layer != nullptr ? *step.layer : *step.pool;
}

/// `fuse_pools` false gives every layer a step of its own. Points into `network`.
std::vector<Step> plan(const host::Network& network, bool fuse_pools);

/// Per step whether all that later steps read of it and of those before it is its result: what it has
/// computed is then all that a pass needs to go on. Not the last one.
std::vector<bool> carries_all(const host::Network& network, const std::vector<Step>& steps);

}  // namespace bitloop::quant
