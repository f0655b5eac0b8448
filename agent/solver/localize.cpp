#include "agent/solver/localize.h"

#include <cmath>

namespace bitloop::search {
namespace {

constexpr int kMostRounds = 8;
constexpr double kAgree = 1e-9;  // of a cost: what sums of doubles leave

}  // namespace

LocalCosts localize(const Space& space, CostModel& costs, Measure measure,
                    const std::vector<std::vector<double>>& effects, double limit) {
  LocalCosts local = costs.local(measure);
  for (int round = 0; round < kMostRounds && !local.exact; ++round) {
    const std::vector<Solution> best = solve({space, local, effects, limit});
    if (best.empty()) break;
    const double real = costs.costs(best.front().assignment)[measure];
    if (std::abs(real - best.front().cost) <= kAgree * std::abs(real)) break;
    local = costs.local_around(measure, best.front().assignment);
  }
  return local;
}

}  // namespace bitloop::search
