#pragma once

#include <array>
#include <vector>

#include "agent/environment/budget.h"
#include "agent/environment/outcome.h"
#include "agent/environment/reward.h"
#include "agent/environment/search_space.h"

namespace bitloop::agent {

inline constexpr int kStateSize = 10;
using State = std::array<float, kStateSize>;

/// The world of a searcher, after the CMC 2024 paper: states of decisions (its Table 2), the projection to
/// the budget and the reward. States are computed afresh from the decisions before them: nothing leaks from
/// episode to episode.
class Environment {
 public:
  /// `weight_deviations`: standard deviation of every weight layer's weights. `projection` must outlive this.
  Environment(const SearchSpace& space, const std::vector<double>& weight_deviations,
              BudgetProjection& projection, const Reward& reward);

  [[nodiscard]] const SearchSpace& space() const { return *space_; }
  [[nodiscard]] BudgetProjection& projection() const { return *projection_; }

  /// State of a decision, every feature in 0..1: layer index, input channels, output channels, kernel size,
  /// stride, input map size, number of weights, their standard deviation (each min-max normalised over the
  /// layers), flag (0 weights, 1 activations), bits of the decision before this one / 8 (`previous_bits`: 8
  /// at the start).
  [[nodiscard]] State state(int decision, int previous_bits) const;

  /// What is really run when a searcher chooses `assignment`: it keeps the budget.
  [[nodiscard]] Assignment execute(const Assignment& assignment) const {
    return projection_->project(assignment);
  }

  /// The reward of an outcome. Throws Error where its cycles (of trained integers) are not those that the
  /// budget was checked with (of random ones): cycles must not depend on data.
  [[nodiscard]] double judge(const host::Policy& policy, const Outcome& outcome) const;

 private:
  const SearchSpace* space_;
  BudgetProjection* projection_;
  Reward reward_;
  std::vector<State> rows_;  ///< normalised static features of each weight layer; flag and bits zero
};

}  // namespace bitloop::agent
