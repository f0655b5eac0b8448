#include "agent/agents/reward.h"

#include <algorithm>
#include <cmath>

namespace bitloop::agents {
namespace {

/// Weight of the accuracy in branch 3 (paper, 3.2.2).
constexpr double kAccuracyWeight = 10;
/// Keeps the standard error of a perfect or hopeless network above zero.
constexpr double kSmallestVariance = 1e-4;

}  // namespace

double Reward::operator()(double accuracy, double cost_ratio) const {
  // Capped before the cost is added, which would count for nothing near the origin otherwise.
  const auto closeness = [&](double x) {
    return std::min(largest, 1 / (std::max(0.0, accuracy_origin - x) + delta));
  };
  if (!cost_counts) return closeness(accuracy);
  if (!accuracy_limit) return kAccuracyWeight * accuracy + 1 / cost_ratio;
  return closeness(std::min(accuracy, *accuracy_limit)) + 1 / cost_ratio;
}

double cost_ratio(const search::Problem& problem, const search::Answer& answer) {
  const search::Measure measure = problem.objective.measure;
  return answer.costs[measure] / problem.costs.reference()[measure];
}

double largest_reward(double accuracy_origin, std::size_t images) {
  const double variance = std::max(kSmallestVariance, accuracy_origin * (1 - accuracy_origin));
  return 1 / std::sqrt(variance / static_cast<double>(std::max<std::size_t>(1, images)));
}

Reward reward_of(const search::Problem& problem, const search::SearcherOptions& options) {
  const search::Answer& origin = problem.origin;
  const double accuracy = origin.folds.empty() ? 1 : origin.accuracy();
  return {.cost_counts = options.cost_in_reward,
          .accuracy_limit = options.accuracy_limit,
          .accuracy_origin = accuracy,
          .largest = largest_reward(accuracy, static_cast<std::size_t>(origin.images()))};
}

}  // namespace bitloop::agents
