#include "agent/agents/decision_states.h"

#include <algorithm>
#include <numeric>

namespace bitloop::agents {

std::vector<State> decision_states(const search::Space& space, std::span<const std::string_view> features) {
  std::vector<std::size_t> columns;
  for (const std::string_view name : features) {
    const auto found = std::ranges::find(space.features, name);
    if (found != space.features.end())
      columns.push_back(static_cast<std::size_t>(found - space.features.begin()));
  }
  if (columns.empty()) {  // a table of others: all that it has
    columns.resize(space.features.size());
    std::iota(columns.begin(), columns.end(), 0);
  }
  std::vector<State> states;
  for (int d = 0; d < space.size(); ++d) {
    states.emplace_back();
    for (const std::size_t column : columns)
      states.back().push_back(static_cast<float>(space.decisions[d].features[column]));
    if (columns.empty()) states.back() = {static_cast<float>(d) / static_cast<float>(space.size())};
  }
  return states;
}

}  // namespace bitloop::agents
