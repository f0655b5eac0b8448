#include "agent/space/objective.h"

#include <algorithm>
#include <tuple>

namespace bitloop::search {

bool Objective::better(const Answer& a, const Answer& b) const {
  const auto rank = [&](const Answer& answer) {
    const double accuracy = answer.accuracy();
    const double cost = answer.costs[measure];
    const double excess = std::max(0.0, cost - limit);
    const double lack = goal == Goal::cost ? std::max(0.0, floor - accuracy) : 0;
    const double first = goal == Goal::cost ? cost : -accuracy;
    const double last = goal == Goal::cost ? -accuracy : cost;
    return std::tuple(excess > 0 || lack > 0, excess, lack, first, answer.loss(), last);
  };
  return rank(a) < rank(b);
}

}  // namespace bitloop::search
