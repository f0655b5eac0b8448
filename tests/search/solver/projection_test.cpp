#include "agent/solver/projection.h"

#include <gtest/gtest.h>

#include "tests/search/instances.h"

namespace bitloop::search {
namespace {

Space decisions(int count, int choices) {
  Space space;
  for (int d = 0; d < count; ++d) {
    space.decisions.push_back({.name = fmt::format("d{}", d)});
    for (int c = 0; c < choices; ++c)
      space.decisions.back().choices.push_back({fmt::format("{}", c + 1), c + 1.0});
  }
  return space;
}

double sum(const Assignment& assignment) {
  double sum = 0;
  for (const int choice : assignment) sum += choice;
  return sum;
}

TEST(Projection, LeavesAloneWhatKeepsTheLimit) {
  const Space space = decisions(3, 3);
  const Projection projection(space, sum, 4, {0, 0, 0});
  EXPECT_EQ(projection.in_reverse({2, 0, 2}), (Assignment{2, 0, 2}));
  EXPECT_EQ(projection.by_effect({2, 0, 2}, {{9, 8, 7}, {9, 8, 7}, {9, 8, 7}}), (Assignment{2, 0, 2}));
}

TEST(Projection, GoesBackwardsOneStepAVisit) {
  const Space space = decisions(3, 3);
  const auto at = [&](double limit) {
    return Projection(space, sum, limit, {0, 0, 0}).in_reverse({2, 2, 2});
  };
  EXPECT_EQ(at(5), (Assignment{2, 2, 1}));
  EXPECT_EQ(at(3), (Assignment{1, 1, 1}));
  EXPECT_EQ(at(2), (Assignment{1, 1, 0}));
}

TEST(Projection, SkipsStepsThatSaveNothing) {
  const Space space = decisions(2, 4);
  // The second decision's middle choices cost as much as its highest.
  const CostOf cost = [](const Assignment& a) { return a[0] + (a[1] > 0 ? 3.0 : 0.0); };
  EXPECT_EQ(Projection(space, cost, 5, {0, 0}).in_reverse({3, 3}), (Assignment{3, 0}));
  EXPECT_EQ(Projection(space, cost, 5, {0, 0}).by_effect({3, 3}, {{3, 2, 1, 0}, {1, 1, 1, 0}}),
            (Assignment{3, 0}));
}

/// Fewer bits cost more here, so that no step leads to the floor.
TEST(Projection, EndsAtTheFloorWhereNoStepSaves) {
  const Space space = decisions(2, 3);
  const CostOf cost = [](const Assignment& a) { return 10.0 - sum(a); };
  const Projection projection(space, cost, 7, {2, 2});
  EXPECT_EQ(projection.in_reverse({0, 0}), (Assignment{2, 2}));
  EXPECT_EQ(projection.in_reverse({1, 1}), (Assignment{1, 2}));
  EXPECT_EQ(projection.by_effect({1, 1}, {{0, 0, 0}, {0, 0, 0}}), (Assignment{1, 2}));
}

TEST(Projection, TakesTheLeastAddedEffectPerSavedCost) {
  const Space space = decisions(3, 2);
  const CostOf cost = [](const Assignment& a) { return 1.0 * a[0] + 4.0 * a[1] + 2.0 * a[2]; };
  const std::vector<std::vector<double>> effects{{1, 0}, {2, 0}, {1.5, 0}};
  EXPECT_EQ(Projection(space, cost, 6, {0, 0, 0}).by_effect({1, 1, 1}, effects), (Assignment{1, 0, 1}));
  EXPECT_EQ(Projection(space, cost, 2, {0, 0, 0}).by_effect({1, 1, 1}, effects), (Assignment{1, 0, 0}));
}

TEST(Projection, FillsWhatIsLeftOfTheLimit) {
  const Space space = decisions(3, 2);
  const CostOf cost = [](const Assignment& a) { return 1.0 * a[0] + 4.0 * a[1] + 2.0 * a[2]; };
  const std::vector<std::vector<double>> effects{{1, 0}, {2, 0}, {1.5, 0}};
  const Projection projection(space, cost, 4, {0, 0, 0});
  EXPECT_EQ(projection.filled({0, 0, 0}, effects), (Assignment{1, 0, 1}));
  EXPECT_EQ(projection.filled({0, 1, 0}, effects), (Assignment{0, 1, 0}));
}

TEST(Projection, KeepsLimitsAndMasksOfRandomInstances) {
  std::mt19937_64 random(1);
  int projected = 0;
  for (int i = 0; i < 500; ++i) {
    const Instance instance = random_instance(random);
    const Solution floor = cheapest(instance.space, instance.costs);
    if (floor.assignment.empty() || floor.cost > instance.limit) continue;
    const CostOf cost = [&](const Assignment& a) {
      return instance.space.allows(a) ? instance.costs(instance.space, a)
                                      : std::numeric_limits<double>::infinity();
    };
    const Projection projection(instance.space, cost, instance.limit, floor.assignment);
    const Assignment start = random_assignment(instance.space, random);
    const Assignment reversed = projection.in_reverse(start);
    const Assignment by_effect = projection.by_effect(start, instance.effects);
    const Assignment filled = projection.filled(by_effect, instance.effects);
    for (const Assignment& end : {reversed, by_effect, filled}) {
      EXPECT_TRUE(instance.space.allows(end));
      EXPECT_LE(cost(end), instance.limit);
    }
    EXPECT_LE(instance.effect(filled), instance.effect(by_effect));
    EXPECT_LE(instance.effect(solve(instance.knapsack())[0].assignment), instance.effect(filled));
    projected += cost(start) > instance.limit ? 1 : 0;
  }
  EXPECT_GT(projected, 100);
}

}  // namespace
}  // namespace bitloop::search
