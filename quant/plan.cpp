#include "quant/plan.h"

#include <algorithm>
#include <numeric>

namespace bitloop::quant {

std::vector<Step> plan(const host::Network& network, bool fuse_pools) {
  const auto only_reader = [&](int tensor) -> const host::Layer* {
    const auto reads = [&](const host::Layer& layer) { return layer.input == tensor; };
    if (tensor == network.output || std::ranges::count_if(network.layers, reads) != 1) return nullptr;
    return &*std::ranges::find_if(network.layers, reads);
  };
  std::vector<Step> steps;
  std::vector<const host::Layer*> fused;
  int weight_layer = 0;
  for (const host::Layer& layer : network.layers) {
    if (std::ranges::find(fused, &layer) != fused.end()) continue;
    Step step;
    step.input = layer.input;
    step.output = layer.output;
    if (layer.has_weights()) {
      step.weight_layer = weight_layer++;
      step.layer = &layer;
      const host::Layer* reader = only_reader(layer.output);
      if (fuse_pools && reader != nullptr && reader->kind == host::LayerKind::max_pool) {
        step.pool = reader;
        step.output = reader->output;
        fused.push_back(reader);
      }
    } else {
      step.pool = &layer;
    }
    steps.push_back(step);
  }
  return steps;
}

std::vector<int> scale_owners(const host::Network& network) {
  std::vector<int> owners(network.tensors.size());
  std::iota(owners.begin(), owners.end(), 0);
  for (const host::Layer& layer : network.layers)
    if (!layer.has_weights()) owners.at(layer.output) = owners.at(layer.input);
  return owners;
}

}  // namespace bitloop::quant
