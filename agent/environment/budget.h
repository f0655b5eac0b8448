#pragma once

#include <vector>

#include "agent/environment/cycle_source.h"
#include "agent/environment/search_space.h"

namespace bitloop::agent {

/// Turns any assignment into one that keeps a budget, by the CMC 2024 paper's reverse-order projection
/// (its 3.3.1) on measured cycles of the whole network.
///
/// From the last layer backwards the input, then the weights of a layer go down to the next width that really
/// saves cycles, one step per visit, until the budget is kept. Fewer bits need not take fewer cycles: a step
/// that saves nothing is not taken. Where no single step saves anything, decisions move one by one, in the
/// same order, to the cheapest assignment known, which keeps the budget; so every projection ends and keeps
/// it.
class BudgetProjection {
 public:
  /// `budget`: largest cost ratio. Throws InputError, with the lowest reachable ratio, where no policy is
  /// that cheap. Both must outlive this.
  BudgetProjection(const SearchSpace& space, CycleSource& source, double budget);

  [[nodiscard]] Assignment project(Assignment assignment);

  [[nodiscard]] host::Cycles cycles(const Assignment& assignment) {
    return source_.cycles(space_.policy(assignment));
  }
  [[nodiscard]] host::Cycles cycles(const host::Policy& policy) { return source_.cycles(policy); }
  /// Cycles of the network at w8a8: what cost ratios refer to.
  [[nodiscard]] host::Cycles reference() const { return reference_; }
  /// Largest number of cycles that keeps the budget.
  [[nodiscard]] host::Cycles limit() const { return limit_; }
  [[nodiscard]] double cost_ratio(host::Cycles cycles) const {
    return static_cast<double>(cycles) / static_cast<double>(reference_);
  }
  [[nodiscard]] const SearchSpace& space() const { return space_; }
  [[nodiscard]] double budget() const { return budget_; }
  /// Cost ratio of the cheapest assignment known.
  [[nodiscard]] double lowest_ratio() { return cost_ratio(cycles(floor_)); }

 private:
  void find_floor();
  bool step_down(Assignment& assignment, int decision, host::Cycles& cost);

  const SearchSpace& space_;
  CycleSource& source_;
  double budget_;
  host::Cycles reference_;
  host::Cycles limit_;
  std::vector<int> order_;  ///< decisions, last layer first, its input before its weights
  Assignment floor_;
};

}  // namespace bitloop::agent
