#include "agent/space/objective.h"

#include <algorithm>
#include <tuple>

namespace bitloop::search {

bool Objective::better(const Answer& a, const Answer& b) const {
  return better(Standing{a.accuracy(), a.loss(), a.costs[measure]},
                Standing{b.accuracy(), b.loss(), b.costs[measure]});
}

bool Objective::better(const Standing& a, const Standing& b) const {
  const auto rank = [&](const Standing& s) {
    const double excess = std::max(0.0, s.cost - limit);
    const double lack = goal == Goal::cost ? std::max(0.0, floor - s.accuracy) : 0;
    const double first = goal == Goal::cost ? s.cost : -s.accuracy;
    const double last = goal == Goal::cost ? -s.accuracy : s.cost;
    return std::tuple(excess > 0 || lack > 0, excess, lack, first, s.loss, last);
  };
  return rank(a) < rank(b);
}

}  // namespace bitloop::search
