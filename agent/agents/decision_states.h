#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "agent/agents/actor_critic.h"
#include "agent/space/space.h"

namespace bitloop::agents {

inline constexpr float kFullBits =
    8;  ///< what previous bits are a share of, and what the first decision sees

/// What agents see of a space's decisions before the bits of the one before: the features named, in this
/// order, as far as the space has them; where it has none of them, all that it has; where it has none at all
/// the decision's place in the order, with which those of networks begin.
std::vector<State> decision_states(const search::Space& space, std::span<const std::string_view> features);

// Names of features (agent/environment/features.h).

/// Table 2 of the CMC 2024 paper.
inline constexpr std::string_view kTable2[] = {"layer",   "input_channels", "output_channels",
                                               "kernel",  "stride",         "map",
                                               "weights", "deviation",      "activation"};
/// The same without its eighth, the ablation of the paper's Table 8.
inline constexpr std::string_view kTable2WithoutDeviation[] = {
    "layer", "input_channels", "output_channels", "kernel", "stride", "map", "weights", "activation"};
/// Those of HAQ's linear quantizer (its code, lib/env/linear_quantize_env.py).
inline constexpr std::string_view kHaqFeatures[] = {"depthwise", "input_channels", "output_channels",
                                                    "stride",    "kernel",         "weights",
                                                    "map",       "layer",          "activation"};

}  // namespace bitloop::agents
