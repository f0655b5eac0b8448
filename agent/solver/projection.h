#pragma once

#include <functional>
#include <random>
#include <vector>

#include "agent/space/objective.h"

namespace bitloop::search {

/// Cost of an assignment in one measure; infinite where it cannot be run.
using CostOf = std::function<double(const Assignment&)>;
/// The model's cost in the objective's measure; infinite where a mask forbids the assignment.
CostOf cost_of(const Space& space, CostModel& costs, Measure measure);

/// Brings an assignment within a limit by steps to the next choice of fewer bits that really costs less.
/// Fewer bits need not cost less: a step that saves nothing is not taken. Where no single step saves
/// anything, decisions move one by one, in the strategy's order, to `floor`, which keeps the limit; so every
/// projection ends and keeps it.
class Projection {
 public:
  /// `floor` keeps the limit (solver/knapsack.h has the cheapest). What is referred to must outlive this.
  Projection(const Space& space, CostOf cost, double limit, Assignment floor);

  /// From the last decision backwards, one step a visit: the CMC 2024 paper's (its 3.3.1).
  [[nodiscard]] Assignment in_reverse(Assignment assignment) const;
  /// Always the step with the least added effect per saved cost. `effects`: per decision and choice.
  [[nodiscard]] Assignment by_effect(Assignment assignment,
                                     const std::vector<std::vector<double>>& effects) const;
  /// What is left of the limit is spent: always the step up with the most effect taken away per cost, until
  /// none fits.
  [[nodiscard]] Assignment filled(Assignment assignment,
                                  const std::vector<std::vector<double>>& effects) const;
  [[nodiscard]] double limit() const { return limit_; }

 private:
  struct Move {
    int choice = -1;
    double cost = 0;
  };
  /// The nearest choice of fewer bits that costs less; -1: none.
  [[nodiscard]] Move step_down(Assignment& assignment, int decision, double cost) const;
  [[nodiscard]] Assignment to_floor(Assignment assignment) const;

  const Space& space_;
  CostOf cost_;
  double limit_;
  Assignment floor_;
};

/// Every decision drawn uniformly, with the same numbers everywhere.
Assignment random_assignment(const Space& space, std::mt19937_64& random);

}  // namespace bitloop::search
