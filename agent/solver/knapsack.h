#pragma once

#include <vector>

#include "agent/space/costs.h"

namespace bitloop::search {

/// A multiple-choice knapsack whose weights are local cost terms: which assignment, among those that the
/// masks allow, has the least sum of effects at a cost of at most `limit`?
struct Knapsack {
  const Space& space;
  const LocalCosts& costs;
  /// Per decision and choice, what it adds to the loss; of any sign.
  std::vector<std::vector<double>> effects;
  double limit = 0;
};

/// Sum of an assignment's effects.
double effect_of(const Knapsack& knapsack, const Assignment& assignment);

struct Solution {
  Assignment assignment;
  double effect = 0;  ///< sum
  double cost = 0;    ///< of the local terms

  bool operator==(const Solution&) const = default;
};

struct SolverOptions {
  int count = 1;     ///< so many solutions, best first; fewer where there are no more
  int distance = 1;  ///< each is the best of those that differ in so many decisions from all before it
};

/// Exact solutions, best first: less effect, then less cost, then the assignment that comes first in
/// lexicographic order. Exact to the last digit where doubles hold the sums, as of integers; of other numbers
/// as exact as a sum of doubles is, and none exceeds the limit. Empty where no assignment keeps the limit.
/// An infinite effect or cost forbids. Throws InputError where terms tie too many decisions together.
std::vector<Solution> solve(const Knapsack& knapsack, const SolverOptions& options = {});

/// The cheapest assignment by local terms that the masks allow, of equals the first; exact. Its assignment is
/// empty where masks allow none.
Solution cheapest(const Space& space, const LocalCosts& costs);

}  // namespace bitloop::search
