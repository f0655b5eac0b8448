#pragma once

#include <cstddef>
#include <optional>

#include "agent/space/searcher.h"

namespace bitloop::agents {

/// The reward of the CMC 2024 paper (its 3.2.2), with guards.
///
/// Branches, as in the paper, with gap(x) = max(0, acc_origin - x) + delta:
///   1. cost counts, a limit is given, accuracy above it:  1 / gap(acc_limit)    + 1 / cost_ratio
///   2. cost counts, a limit is given, accuracy below it:  1 / gap(acc_quant)    + 1 / cost_ratio
///   3. cost counts, no limit:                             10 * acc_quant        + 1 / cost_ratio
///   4. cost does not count:                               1 / gap(acc_quant)
/// Guards: delta stands in every gap (the paper's 1 and 4 divide by zero at equality); an accuracy above the
/// origin is no gap (the paper's absolute value punishes it); no 1 / gap exceeds `largest`. acc_origin is the
/// accuracy of the space's highest assignment on the reward folds, after the same retraining (the paper takes
/// it on the training set).
struct Reward {
  bool cost_counts = false;
  std::optional<double> accuracy_limit{};
  double accuracy_origin = 1;
  double delta = 1e-4;   ///< paper, 3.2.2
  double largest = 300;  ///< see `largest_reward`

  [[nodiscard]] double operator()(double accuracy, double cost_ratio) const;
};

/// Of an answer, in the objective's measure, to the all-8-bit network's.
double cost_ratio(const search::Problem& problem, const search::Answer& answer);

/// A gap below the standard error of an accuracy p over n images is noise: 1 / sqrt(p (1 - p) / n).
double largest_reward(double accuracy_origin, std::size_t images);

/// As the options choose it, with the problem's origin; where that is not known its accuracy counts as 1.
Reward reward_of(const search::Problem& problem, const search::SearcherOptions& options);

}  // namespace bitloop::agents
