#include "agent/environment/features.h"

#include <algorithm>

namespace bitloop::agent {

std::vector<std::string> feature_names() {
  return {"layer", "input_channels", "output_channels", "kernel",    "stride",
          "map",   "weights",        "deviation",       "depthwise", "activation"};
}

std::vector<LayerFeatures> layer_features(const host::Network& network,
                                          const std::vector<double>& deviations) {
  std::vector<LayerFeatures> rows;
  for (const host::Layer* layer : network.weight_layers()) {
    const host::Shape& in = network.input_shape(*layer);
    const bool conv = layer->kind != host::LayerKind::linear;
    const std::size_t row = rows.size();
    rows.push_back({static_cast<double>(row), static_cast<double>(conv ? in.channels : in.elements()),
                    static_cast<double>(network.output_shape(*layer).channels),
                    static_cast<double>(conv ? layer->kernel_height : 1),
                    static_cast<double>(conv ? layer->stride.y : 0),
                    static_cast<double>(conv ? static_cast<long>(in.height) * in.width : in.elements()),
                    static_cast<double>(network.weight_count(*layer)),
                    deviations.empty() ? 0 : deviations.at(row),
                    layer->kind == host::LayerKind::depthwise ? 1.0 : 0.0});
  }
  for (std::size_t column = 0; column < kLayerFeatures; ++column) {
    const auto by_column = [column](const LayerFeatures& a, const LayerFeatures& b) {
      return a[column] < b[column];
    };
    const auto [low, high] = std::ranges::minmax_element(rows, by_column);
    const double least = (*low)[column];
    const double range = (*high)[column] - least;
    for (LayerFeatures& row : rows) row[column] = range > 0 ? (row[column] - least) / range : 0;
  }
  return rows;
}

}  // namespace bitloop::agent
