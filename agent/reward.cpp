#include "agent/reward.h"

#include <algorithm>
#include <cmath>

namespace bitloop::agent {
namespace {

/// Weight of the accuracy in branch 3 (paper, 3.2.2).
constexpr double kAccuracyWeight = 10;
/// Keeps the standard error of a perfect or hopeless network above zero.
constexpr double kSmallestVariance = 1e-4;

}  // namespace

double Reward::operator()(double accuracy, double cost_ratio) const {
  const auto closeness = [&](double x) { return 1 / (std::max(0.0, accuracy_origin - x) + delta); };
  double reward = 0;
  if (!cost_counts) {
    reward = closeness(accuracy);
  } else if (!accuracy_limit) {
    reward = kAccuracyWeight * accuracy + 1 / cost_ratio;
  } else {
    reward = closeness(accuracy > *accuracy_limit ? *accuracy_limit : accuracy) + 1 / cost_ratio;
  }
  return std::min(reward, largest);
}

double largest_reward(double accuracy_origin, std::size_t images) {
  const double variance = std::max(kSmallestVariance, accuracy_origin * (1 - accuracy_origin));
  return 1 / std::sqrt(variance / static_cast<double>(std::max<std::size_t>(1, images)));
}

}  // namespace bitloop::agent
