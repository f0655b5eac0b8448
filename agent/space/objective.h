#pragma once

#include "agent/space/query.h"

namespace bitloop::search {

/// Who is better. Rewards belong to the agents that published them.
struct Objective {
  enum class Goal {
    accuracy,  ///< the most accurate within the limit
    cost,      ///< the cheapest whose accuracy is at least `floor`
    pareto,    ///< the front of accuracy against cost below the limit
  };
  Goal goal = Goal::accuracy;
  Measure measure = Measure::cycles;
  double limit = 0;  ///< the most that a policy may cost, in the measure's unit
  double floor = 0;  ///< the least accuracy, 0..1

  [[nodiscard]] bool fits(const Costs& costs) const { return costs[measure] <= limit; }
  /// Strictly better: one that keeps limit and floor beats one that does not; then accuracy (or cost), then
  /// less loss, then less cost. Ties are equal. Takes accuracies of both from the same folds.
  [[nodiscard]] bool better(const Answer& a, const Answer& b) const;
  /// What is compared; for those who know better than an answer.
  struct Standing {
    double accuracy = 0;
    double loss = 0;
    double cost = 0;  ///< in the measure
  };
  [[nodiscard]] bool better(const Standing& a, const Standing& b) const;
};

}  // namespace bitloop::search
