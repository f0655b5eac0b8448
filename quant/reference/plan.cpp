#include "quant/reference/plan.h"

#include <algorithm>
#include <cstddef>

namespace bitloop::quant {

std::vector<Step> plan(const host::Network& network, bool fuse_pools) {
  std::vector<int> readers(network.tensors.size(), 0);
  std::vector<const host::Layer*> reader(network.tensors.size(), nullptr);
  for (const host::Layer& layer : network.layers)
    for (const int input : layer.inputs) {
      ++readers.at(input);
      reader.at(input) = &layer;
    }
  const auto pool_behind = [&](const host::Layer& layer) -> const host::Layer* {
    if (!fuse_pools || !layer.has_weights() || layer.activation == host::Activation::leaky_relu)
      return nullptr;
    if (network.is_output(layer.output) || readers.at(layer.output) != 1) return nullptr;
    const host::Layer* next = reader.at(layer.output);
    return next->kind == host::LayerKind::max_pool ? next : nullptr;
  };
  std::vector<Step> steps;
  std::vector<const host::Layer*> fused;
  int weight_layer = 0;
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    const host::Layer& layer = network.layers[i];
    if (std::ranges::find(fused, &layer) != fused.end()) continue;
    Step step;
    step.index = static_cast<int>(i);
    step.input = layer.input();
    step.output = layer.output;
    if (layer.kind == host::LayerKind::max_pool) {
      step.pool = &layer;
    } else {
      step.layer = &layer;
      if (layer.has_weights()) step.weight_layer = weight_layer++;
      step.pool = pool_behind(layer);
      if (step.pool != nullptr) {
        step.output = step.pool->output;
        fused.push_back(step.pool);
      }
    }
    steps.push_back(step);
  }
  return steps;
}

std::vector<bool> carries_all(const host::Network& network, const std::vector<Step>& steps) {
  // The last step that needs a tensor; results are needed behind the last one.
  std::vector<std::size_t> until(network.tensors.size(), 0);
  for (std::size_t i = 0; i < steps.size(); ++i)
    for (const int input : layer_of(steps[i]).inputs) until.at(input) = i;
  for (const int output : network.outputs) until.at(output) = steps.size();
  std::vector<bool> result(steps.size(), false);
  std::size_t others = until.at(network.input);  // the last step that needs anything but the newest tensor
  for (std::size_t i = 0; i + 1 < steps.size(); ++i) {
    result[i] = others <= i && until.at(steps[i].output) > i;
    others = std::max(others, until.at(steps[i].output));
  }
  return result;
}

}  // namespace bitloop::quant
