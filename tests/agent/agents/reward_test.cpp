#include "agent/agents/reward.h"

#include <gtest/gtest.h>

#include "tests/search/instance_task.h"

namespace bitloop::agents {
namespace {

constexpr double kDelta = 1e-4;

TEST(Reward, branch_1_above_the_limit_rewards_only_cheapness) {
  const Reward reward{.cost_counts = true, .accuracy_limit = 0.85, .accuracy_origin = 0.90};
  EXPECT_NEAR(reward(0.87, 0.5), 1 / (0.05 + kDelta) + 2, 1e-9);
  EXPECT_DOUBLE_EQ(reward(0.89, 0.5), reward(0.87, 0.5));
}

TEST(Reward, branch_2_below_the_limit_rewards_accuracy_too) {
  const Reward reward{.cost_counts = true, .accuracy_limit = 0.85, .accuracy_origin = 0.90};
  EXPECT_NEAR(reward(0.80, 0.5), 1 / (0.10 + kDelta) + 2, 1e-9);
}

TEST(Reward, branches_1_and_2_meet_at_the_limit) {
  const Reward reward{.cost_counts = true, .accuracy_limit = 0.85, .accuracy_origin = 0.90};
  EXPECT_NEAR(reward(0.85, 0.5), reward(0.85 + 1e-9, 0.5), 1e-6);
}

TEST(Reward, branch_3_weighs_accuracy_tenfold) {
  const Reward reward{.cost_counts = true, .accuracy_limit = {}, .accuracy_origin = 0.90};
  // The paper's UCMerced run: accuracy 0.776 at ratio 0.775 gives its largest reward, 9.053.
  EXPECT_NEAR(reward(0.776, 0.775), 9.05, 0.005);
}

TEST(Reward, branch_4_ignores_the_cost) {
  const Reward reward{.cost_counts = false, .accuracy_limit = {}, .accuracy_origin = 0.90};
  EXPECT_NEAR(reward(0.80, 0.2), 1 / (0.10 + kDelta), 1e-9);
  EXPECT_DOUBLE_EQ(reward(0.80, 0.9), reward(0.80, 0.2));
}

TEST(Reward, is_finite_at_equality_in_all_branches) {
  for (const bool cost : {false, true}) {
    for (const std::optional<double> limit : {std::optional<double>{}, std::optional<double>{0.9}}) {
      const Reward reward{
          .cost_counts = cost, .accuracy_limit = limit, .accuracy_origin = 0.90, .largest = 1e9};
      EXPECT_LE(reward(0.90, 0.5), 1 / kDelta + 2);
    }
  }
}

TEST(Reward, accuracy_above_the_origin_is_not_punished) {
  const Reward reward{.cost_counts = false, .accuracy_limit = {}, .accuracy_origin = 0.90, .largest = 1e9};
  EXPECT_GE(reward(0.95, 0.5), reward(0.90, 0.5));
  const Reward limited{.cost_counts = true, .accuracy_limit = 0.97, .accuracy_origin = 0.90, .largest = 1e9};
  EXPECT_GE(limited(0.95, 0.5), limited(0.90, 0.5));
}

TEST(Reward, closeness_never_exceeds_its_largest_value_and_cost_comes_on_top) {
  const Reward accurate{.cost_counts = false, .accuracy_limit = {}, .accuracy_origin = 0.90, .largest = 50};
  EXPECT_DOUBLE_EQ(accurate(0.9, 0.5), 50);
  const Reward limited{.cost_counts = true, .accuracy_limit = 0.90, .accuracy_origin = 0.90, .largest = 50};
  EXPECT_DOUBLE_EQ(limited(0.9, 0.5), 50 + 2);
}

TEST(Reward, above_the_limit_the_cheaper_policy_always_wins) {
  for (const double limit : {0.70, 0.85, 0.8999, 0.90, 0.95}) {
    const Reward reward{.cost_counts = true, .accuracy_limit = limit, .accuracy_origin = 0.90, .largest = 50};
    EXPECT_GT(reward(limit + 0.001, 0.400), reward(limit + 0.04, 0.401)) << "limit " << limit;
  }
}

TEST(Reward, largest_is_one_over_the_standard_error) {
  // sqrt(0.9 * 0.1 / 10000) = 0.003 (reference 10.5).
  EXPECT_NEAR(largest_reward(0.9, 10000), 1 / 0.003, 1e-9);
  EXPECT_GT(largest_reward(1.0, 10000), 0);
}

TEST(Reward, refers_to_the_origin_of_its_problem) {
  search::test::InstanceTask task(search::residual_network(1, 0.5, 1));
  search::Problem problem{task.space(), task, {.limit = task.limit()}, task.prices()};
  problem.origin.folds = {{.images = 600, .correct = 500}, {.images = 400, .correct = 400}};
  const Reward reward = reward_of(problem, {.cost_in_reward = true, .accuracy_limit = 0.8});
  EXPECT_TRUE(reward.cost_counts);
  EXPECT_EQ(reward.accuracy_limit, 0.8);
  EXPECT_DOUBLE_EQ(reward.accuracy_origin, 0.9);
  EXPECT_DOUBLE_EQ(reward.largest, largest_reward(0.9, 1000));
  problem.origin.folds.clear();
  EXPECT_EQ(reward_of(problem, {}).accuracy_origin, 1);
  EXPECT_FALSE(reward_of(problem, {}).cost_counts);
}

}  // namespace
}  // namespace bitloop::agents
