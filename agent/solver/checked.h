#pragma once

#include <vector>

#include "agent/solver/knapsack.h"
#include "agent/solver/projection.h"

namespace bitloop::search {

/// Local search from an assignment that keeps the limit by `cost`: another choice of one decision, or of two
/// at once, wherever that takes effect away, or cost at equal effect, and keeps limit and masks; until none
/// does. Deterministic. What the local costs put more than a hundredth of the limit above it is not asked
/// for.
Solution improve(const Knapsack& knapsack, const CostOf& cost, Assignment assignment);

/// Solutions by the real cost where local costs are not exact: those of `solve`, its limit lowered by what
/// they exceed the real one until they keep it (a few times), then improved by one and two swaps. All keep
/// the limit, are in `solve`'s order and as far apart as asked for, but that none is better is certain only
/// where local costs are exact: then this is `solve`. Empty where nothing was found that keeps the limit.
std::vector<Solution> solve_checked(const Knapsack& knapsack, const CostOf& cost,
                                    const SolverOptions& options = {});

}  // namespace bitloop::search
