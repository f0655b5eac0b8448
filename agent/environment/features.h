#pragma once

#include <array>
#include <string>
#include <vector>

#include "host/network/network.h"

namespace bitloop::agent {

inline constexpr std::size_t kLayerFeatures = 9;
using LayerFeatures = std::array<double, kLayerFeatures>;

/// Features of every layer with weights, min-max normalised over the network to 0..1 (a column of equal
/// values is 0), in the order of `feature_names`. `deviations`: of each layer's weights; empty: 0.
std::vector<LayerFeatures> layer_features(const host::Network& network,
                                          const std::vector<double>& deviations);

/// Their names, and that of the flag which a decision adds.
std::vector<std::string> feature_names();

}  // namespace bitloop::agent
