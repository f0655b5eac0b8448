#include "agent/searchers/expected_cost.h"

#include <cmath>

namespace bitloop::search {

ExpectedCost::Value ExpectedCost::operator()(const Mixture& mixture) const {
  Value value{costs_.constant, mixture};
  for (auto& choices : value.gradient) choices.assign(choices.size(), 0);
  std::vector<std::size_t> choice;
  std::vector<double> before, behind;  // products of the shares of decisions before and behind one
  for (const CostTerm& term : costs_.terms) {
    const std::size_t size = term.scope.size();
    choice.assign(size, 0);
    before.assign(size + 1, 1);
    behind.assign(size + 1, 1);
    for (const double cost : term.values) {
      const auto share = [&](std::size_t i) {
        return mixture[static_cast<std::size_t>(term.scope[i])][choice[i]];
      };
      for (std::size_t i = 0; i < size; ++i) before[i + 1] = before[i] * share(i);
      for (std::size_t i = size; i-- > 0;) behind[i] = behind[i + 1] * share(i);
      if (std::isfinite(cost)) {  // what cannot be run is drawn by nobody
        value.cost += cost * before[size];
        for (std::size_t i = 0; i < size; ++i)
          value.gradient[static_cast<std::size_t>(term.scope[i])][choice[i]] +=
              cost * before[i] * behind[i + 1];
      }
      for (std::size_t i = size; i-- > 0;) {  // the next choices, the last decision's running fastest
        if (++choice[i] < mixture[static_cast<std::size_t>(term.scope[i])].size()) break;
        choice[i] = 0;
      }
    }
  }
  return value;
}

}  // namespace bitloop::search
