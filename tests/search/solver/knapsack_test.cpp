#include "agent/solver/knapsack.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <tuple>

#include "tests/search/instances.h"

namespace bitloop::search {
namespace {

/// All that an instance allows, best first.
std::vector<Solution> ranked(const Instance& instance) {
  std::vector<Solution> all;
  for (const Assignment& assignment : all_assignments(instance.space)) {
    const Solution solution{assignment, instance.effect(assignment),
                            instance.costs(instance.space, assignment)};
    if (instance.space.allows(assignment) && solution.cost <= instance.limit) all.push_back(solution);
  }
  std::ranges::sort(all, {}, [](const Solution& s) { return std::tie(s.effect, s.cost, s.assignment); });
  return all;
}

TEST(Knapsack, FindsTheOptimumOfEveryRandomInstance) {
  std::mt19937_64 random(1);
  int feasible = 0;
  for (int i = 0; i < 1000; ++i) {
    const Instance instance = random_instance(random);
    std::vector<Solution> best = ranked(instance);
    if (best.size() > 1) best.resize(1);
    feasible += static_cast<int>(best.size());
    ASSERT_EQ(solve(instance.knapsack()), best) << "instance " << i;
  }
  EXPECT_GT(feasible, 500);
  EXPECT_LT(feasible, 950);
}

TEST(Knapsack, RanksTheBestSolutions) {
  std::mt19937_64 random(2);
  for (int i = 0; i < 300; ++i) {
    const Instance instance = random_instance(random, 6);
    std::vector<Solution> best = ranked(instance);
    for (const int count : {2, 7, 100000}) {
      std::vector<Solution> first = best;
      if (first.size() > static_cast<std::size_t>(count)) first.resize(static_cast<std::size_t>(count));
      ASSERT_EQ(solve(instance.knapsack(), {.count = count}), first) << "instance " << i;
    }
  }
}

int differ(const Assignment& a, const Assignment& b) {
  int count = 0;
  for (std::size_t d = 0; d < a.size(); ++d) count += a[d] != b[d] ? 1 : 0;
  return count;
}

TEST(Knapsack, DiverseSolutionsAreTheBestFarFromAllBefore) {
  std::mt19937_64 random(6);
  for (int i = 0; i < 300; ++i) {
    const Instance instance = random_instance(random, 6);
    const std::vector<Solution> all = ranked(instance);
    for (const int distance : {2, 3, 5}) {
      std::vector<Solution> expected;
      for (const Solution& s : all) {
        const auto far = [&](const Solution& e) { return differ(s.assignment, e.assignment) >= distance; };
        if (expected.size() < 5 && std::ranges::all_of(expected, far)) expected.push_back(s);
      }
      ASSERT_EQ(solve(instance.knapsack(), {.count = 5, .distance = distance}), expected) << "instance " << i;
    }
  }
}

/// Real numbers whose sums are rounded, and a limit that one assignment just keeps.
TEST(Knapsack, KeepsALimitOfRealNumbers) {
  std::mt19937_64 random(3);
  std::uniform_real_distribution<double> uniform(0, 1e-3);
  for (int i = 0; i < 300; ++i) {
    Instance instance = random_instance(random, 6);
    instance.space.masks.clear();
    instance.costs.constant = uniform(random);
    for (CostTerm& term : instance.costs.terms)
      for (double& v : term.values) v = uniform(random);
    for (auto& effects : instance.effects)
      for (double& e : effects) e = uniform(random) - 3e-4;
    const std::vector<Assignment> all = all_assignments(instance.space);
    const Assignment& just = all[random() % all.size()];
    instance.limit = instance.costs(instance.space, just);
    const std::vector<Solution> best = ranked(instance);
    const std::vector<Solution> solved = solve(instance.knapsack());
    ASSERT_EQ(solved.size(), 1U);
    EXPECT_LE(solved[0].cost, instance.limit);
    EXPECT_NEAR(solved[0].effect, best[0].effect, 1e-15) << "instance " << i;
  }
}

TEST(Knapsack, InfiniteEffectsAndCostsForbid) {
  const double never = std::numeric_limits<double>::infinity();
  Instance instance{.space = {.decisions = {{.name = "a", .choices = {{"1", 1}, {"2", 2}, {"3", 3}}}}},
                    .effects = {{0, -1, -2}},
                    .limit = 10};
  instance.costs.terms = {{{0}, {1, 2, 3}}};
  EXPECT_EQ(solve(instance.knapsack())[0].assignment, Assignment{2});
  instance.effects[0][2] = never;
  EXPECT_EQ(solve(instance.knapsack())[0].assignment, Assignment{1});
  instance.costs.terms[0].values[1] = never;
  EXPECT_EQ(solve(instance.knapsack())[0].assignment, Assignment{0});
  instance.effects[0][0] = never;
  EXPECT_TRUE(solve(instance.knapsack()).empty());
}

/// The space's order has a frontier of 20 decisions, another one of 1.
TEST(Knapsack, FindsAnOrderThatKeepsFrontiersSmall) {
  Instance instance{.limit = 45};
  std::mt19937_64 random(4);
  for (int d = 0; d < 40; ++d) {
    instance.space.decisions.push_back({.name = fmt::format("d{}", d), .choices = {{"1", 1}, {"2", 2}}});
    instance.effects.push_back({static_cast<double>(draw(random, 1, 9)), 0});
    if (d >= 20) instance.costs.terms.push_back({{d - 20, d}, {1, 2, 2, 5}});
  }
  // The pairs are independent: a knapsack by whole costs.
  std::vector<double> least(46, std::numeric_limits<double>::infinity());
  least[0] = 0;
  for (int pair = 0; pair < 20; ++pair) {
    std::vector<double> next(46, std::numeric_limits<double>::infinity());
    for (int cost = 0; cost <= 45; ++cost) {
      for (int choice = 0; choice < 4; ++choice) {
        const int total = cost + static_cast<int>(instance.costs.terms[pair].values[choice]);
        if (total > 45) continue;
        const double effect = instance.effects[pair][choice / 2] + instance.effects[pair + 20][choice % 2];
        next[total] = std::min(next[total], least[cost] + effect);
      }
    }
    least = next;
  }
  EXPECT_EQ(solve(instance.knapsack())[0].effect, *std::ranges::min_element(least));
}

TEST(Knapsack, CheapestIsTheLeastCostThatMasksAllow) {
  std::mt19937_64 random(5);
  for (int i = 0; i < 300; ++i) {
    Instance instance = random_instance(random);
    instance.limit = std::numeric_limits<double>::infinity();
    for (auto& effects : instance.effects) std::ranges::fill(effects, 0);
    const std::vector<Solution> best = ranked(instance);
    if (best.empty()) continue;
    ASSERT_EQ(cheapest(instance.space, instance.costs), best[0]) << "instance " << i;
  }
}

/// Shapes of real size: nothing to compare with, but neighbours are no better. Times: bench_solver.
TEST(Knapsack, NoSwapImprovesANetworksSolution) {
  EXPECT_EQ(residual_network(9, 0.2, 1).space.size(), 41);
  EXPECT_EQ(mobile_network(0.2, 1).space.size(), 105);
  for (const Instance& instance : {residual_network(9, 0.2, 1), mobile_network(0.3, 2)}) {
    const std::vector<Solution> solutions = solve(instance.knapsack(), {.count = 20});
    ASSERT_EQ(solutions.size(), 20U);
    EXPECT_TRUE(std::ranges::is_sorted(solutions, {}, &Solution::effect));
    for (int a = 0; a < instance.space.size(); ++a) {
      for (int b = 0; b < instance.space.size(); ++b) {
        for (int choices = 0; choices < 16; ++choices) {
          Assignment other = solutions[0].assignment;
          other[a] = choices / 4;
          other[b] = choices % 4;
          if (instance.costs(instance.space, other) > instance.limit) continue;
          EXPECT_GE(instance.effect(other), solutions[0].effect);
        }
      }
    }
  }
}

}  // namespace
}  // namespace bitloop::search
