#include "agent/searchers/candidates.h"

#include <gtest/gtest.h>

#include "tests/search/instance_task.h"

namespace bitloop::search {
namespace {

class CandidatesOf : public testing::TestWithParam<int> {
 protected:
  CandidatesOf() {
    std::mt19937_64 random(static_cast<std::uint64_t>(GetParam()));
    Instance instance;
    bool reachable = false;
    while (!reachable) {
      instance = random_instance(random);
      const Solution lowest = cheapest(instance.space, instance.costs);
      reachable = !lowest.assignment.empty() && lowest.cost <= instance.limit;
    }
    task_.emplace(std::move(instance));
  }
  [[nodiscard]] Problem problem() {
    return {task_->space(), *task_, {.limit = task_->limit()}, task_->prices()};
  }
  [[nodiscard]] bool keeps(const Assignment& assignment) {
    return task_->space().allows(assignment) && task_->costs(assignment).cycles() <= task_->limit();
  }
  std::optional<test::InstanceTask> task_;
};

TEST_P(CandidatesOf, KeepLimitAndMasks) {
  Candidates candidates(problem(), 1);
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(keeps(candidates.random()));
    EXPECT_TRUE(keeps(candidates.near_limit()));
    EXPECT_TRUE(keeps(candidates.settled(candidates.mutated(task_->space().lowest()))));
  }
}

TEST_P(CandidatesOf, StayWhereTheyAreWithinTheLimitAndSettleUpwards) {
  Candidates candidates(problem(), 1);
  const Assignment inside = candidates.random();
  EXPECT_EQ(candidates.projected(inside), inside);
  const Assignment settled = candidates.settled(inside);
  for (std::size_t d = 0; d < inside.size(); ++d) EXPECT_GE(settled[d], inside[d]);
}

TEST_P(CandidatesOf, MutatedDifferInOneDecision) {
  Candidates candidates(problem(), 1);
  const Assignment lowest = task_->space().lowest();
  const Assignment mutated = candidates.mutated(lowest);
  int changed = 0;
  for (std::size_t d = 0; d < lowest.size(); ++d) changed += mutated[d] != lowest[d] ? 1 : 0;
  EXPECT_EQ(changed, task_->space().assignments() > 1 ? 1 : 0);
}

INSTANTIATE_TEST_SUITE_P(RandomInstances, CandidatesOf, testing::Range(1, 41));

TEST(Candidates, SettledCostNearlyTheLimit) {
  test::InstanceTask task(residual_network(9, 0.3, 1));
  Candidates candidates({task.space(), task, {.limit = task.limit()}, task.prices()}, 1);
  double share = 0;
  for (int i = 0; i < 50; ++i) {
    share += task.costs(candidates.near_limit()).cycles() / task.limit() / 50;
  }
  EXPECT_GT(share, 0.95);
}

}  // namespace
}  // namespace bitloop::search
