#include "agent/solver/checked.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "tests/search/instances.h"

namespace bitloop::search {
namespace {

/// An instance whose real cost is up to 3 more than the sum of its terms, by its first and last decision.
struct Inexact {
  Instance instance{};
  CostOf cost{};
};

Inexact inexact(std::mt19937_64& random) {
  Inexact made{.instance = random_instance(random, 6)};
  made.instance.costs.exact = false;
  made.cost = [instance = made.instance](const Assignment& assignment) {
    return instance.costs(instance.space, assignment) + (assignment.front() * 2 + assignment.back()) % 4;
  };
  return made;
}

std::optional<double> least_effect(const Inexact& inexact) {
  std::optional<double> least;
  for (const Assignment& assignment : all_assignments(inexact.instance.space)) {
    if (!inexact.instance.space.allows(assignment)) continue;
    if (inexact.cost(assignment) > inexact.instance.limit) continue;
    least = std::min(least.value_or(std::numeric_limits<double>::infinity()),
                     inexact.instance.effect(assignment));
  }
  return least;
}

TEST(SolveChecked, KeepsTheRealLimitNearTheOptimum) {
  std::mt19937_64 random(1);
  int feasible = 0;
  int found = 0;
  int best = 0;
  for (int i = 0; i < 500; ++i) {
    const Inexact made = inexact(random);
    const std::optional<double> least = least_effect(made);
    const std::vector<Solution> solved = solve_checked(made.instance.knapsack(), made.cost);
    feasible += least ? 1 : 0;
    if (solved.empty()) continue;
    ++found;
    const Solution& solution = solved[0];
    EXPECT_TRUE(made.instance.space.allows(solution.assignment));
    EXPECT_EQ(solution.cost, made.cost(solution.assignment));
    EXPECT_LE(solution.cost, made.instance.limit);
    EXPECT_EQ(solution.effect, made.instance.effect(solution.assignment));
    best += solution.effect == *least ? 1 : 0;
  }
  EXPECT_GT(feasible, 300);
  EXPECT_GE(found, feasible * 99 / 100);
  EXPECT_GE(best, feasible * 97 / 100);
}

TEST(SolveChecked, IsTheSolverWhereLocalCostsAreExact) {
  const Instance instance = residual_network(3, 0.3, 1);
  const CostOf never = [](const Assignment&) -> double { throw std::logic_error("not asked for"); };
  const SolverOptions options{.count = 5, .distance = 2};
  EXPECT_EQ(solve_checked(instance.knapsack(), never, options), solve(instance.knapsack(), options));
}

TEST(SolveChecked, SolutionsAreInOrderAndApart) {
  std::mt19937_64 random(2);
  for (int i = 0; i < 100; ++i) {
    const Inexact made = inexact(random);
    const std::vector<Solution> solved =
        solve_checked(made.instance.knapsack(), made.cost, {.count = 4, .distance = 2});
    EXPECT_LE(solved.size(), 4U);
    EXPECT_TRUE(std::ranges::is_sorted(solved, {}, &Solution::effect));
    for (std::size_t a = 0; a < solved.size(); ++a) {
      EXPECT_LE(solved[a].cost, made.instance.limit);
      for (std::size_t b = 0; b < a; ++b) {
        int differ = 0;
        for (std::size_t d = 0; d < made.instance.effects.size(); ++d)
          differ += solved[a].assignment[d] != solved[b].assignment[d] ? 1 : 0;
        EXPECT_GE(differ, 2);
      }
    }
  }
}

TEST(Improve, EndsWhereNoSwapOfTwoHelps) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 200; ++i) {
    Inexact made = inexact(random);
    const Instance& instance = made.instance;
    const std::vector<Assignment> all = all_assignments(instance.space);
    const auto start = std::ranges::find_if(
        all, [&](const Assignment& a) { return instance.space.allows(a) && made.cost(a) <= instance.limit; });
    if (start == all.end()) continue;
    const Solution end = improve(instance.knapsack(), made.cost, *start);
    EXPECT_LE(end.effect, instance.effect(*start));
    for (const Assignment& other : all) {
      int differ = 0;
      for (std::size_t d = 0; d < other.size(); ++d) differ += other[d] != end.assignment[d] ? 1 : 0;
      if (differ > 2 || !instance.space.allows(other) || made.cost(other) > instance.limit) continue;
      EXPECT_GE(instance.effect(other), end.effect);
      EXPECT_TRUE(instance.effect(other) > end.effect || made.cost(other) >= end.cost);
    }
  }
}

}  // namespace
}  // namespace bitloop::search
