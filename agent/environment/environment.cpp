#include "agent/environment/environment.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "host/base/error.h"

namespace bitloop::agent {
namespace {

constexpr int kFlag = 8;
constexpr int kPreviousBits = 9;
constexpr int kStaticFeatures = 8;

State raw_features(const host::Network& network, const host::Layer& layer, int row, double deviation) {
  const host::Shape& in = network.input_shape(layer);
  const bool conv = layer.kind != host::LayerKind::linear;
  State state{};
  state[0] = static_cast<float>(row);
  state[1] = static_cast<float>(conv ? in.channels : in.elements());
  state[2] = static_cast<float>(network.output_shape(layer).channels);
  state[3] = static_cast<float>(conv ? layer.kernel_height : 1);
  state[4] = static_cast<float>(conv ? layer.stride.y : 0);
  state[5] = static_cast<float>(conv ? static_cast<long>(in.height) * in.width : in.elements());
  state[6] = static_cast<float>(network.weight_count(layer));
  state[7] = static_cast<float>(deviation);
  return state;
}

void normalise_columns(std::vector<State>& rows) {
  for (int column = 0; column < kStaticFeatures; ++column) {
    const auto by_column = [column](const State& a, const State& b) { return a[column] < b[column]; };
    const auto [low, high] = std::minmax_element(rows.begin(), rows.end(), by_column);
    const float minimum = (*low)[column];
    const float range = (*high)[column] - minimum;
    for (State& row : rows) row[column] = range > 0 ? (row[column] - minimum) / range : 0;
  }
}

}  // namespace

Environment::Environment(const SearchSpace& space, const std::vector<double>& weight_deviations,
                         BudgetProjection& projection, const Reward& reward)
    : space_(&space), projection_(&projection), reward_(reward) {
  const auto layers = space.network().weight_layers();
  if (weight_deviations.size() != layers.size()) {
    throw std::invalid_argument("Environment: one weight deviation per weight layer");
  }
  for (std::size_t row = 0; row < layers.size(); ++row) {
    rows_.push_back(
        raw_features(space.network(), *layers[row], static_cast<int>(row), weight_deviations[row]));
  }
  if (!rows_.empty()) normalise_columns(rows_);
}

State Environment::state(int decision, int previous_bits) const {
  const Decision& what = space_->decisions().at(decision);
  State state = rows_[what.row];
  state[kFlag] = what.kind == Decision::Kind::activation ? 1 : 0;
  state[kPreviousBits] = static_cast<float>(previous_bits) / 8;
  return state;
}

double Environment::judge(const host::Policy& policy, const Outcome& outcome) const {
  const host::Cycles measured = projection_->cycles(policy);
  if (outcome.cycles != measured) {
    throw Error(
        fmt::format("policy '{}' took {} cycles with trained integers and {} with random ones: cycles must "
                    "not depend on data; please report it",
                    policy.key(), outcome.cycles, measured));
  }
  return reward_(outcome.accuracy, outcome.cost_ratio);
}

}  // namespace bitloop::agent
