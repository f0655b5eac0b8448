#include "agent/evaluation/statistics.h"

#include <algorithm>
#include <cmath>

namespace bitloop::agent {
namespace {

constexpr double kZ = 1.959964;  ///< 97.5 % quantile of the standard normal distribution

}  // namespace

Interval accuracy_interval(double accuracy, std::size_t images) {
  if (images == 0) return {};
  const double n = static_cast<double>(images);
  const double centre = (accuracy + kZ * kZ / (2 * n)) / (1 + kZ * kZ / n);
  const double half =
      kZ / (1 + kZ * kZ / n) * std::sqrt(accuracy * (1 - accuracy) / n + kZ * kZ / (4 * n * n));
  return {std::max(0.0, centre - half), std::min(1.0, centre + half)};
}

bool is_clearly_better(double a, double b, std::size_t images) {
  if (images == 0) return false;
  const double n = static_cast<double>(images);
  return a - b > kZ * std::sqrt((a * (1 - a) + b * (1 - b)) / n);
}

}  // namespace bitloop::agent
