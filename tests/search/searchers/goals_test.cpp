#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "agent/comparison/statistics.h"
#include "agent/searchers/limits.h"
#include "agent/searchers/registry.h"
#include "agent/tables/table_task.h"
#include "agent/trial/trial.h"
#include "tests/search/example_table.h"

namespace bitloop::search {
namespace {

/// On a table of 729 policies whose best are known.
class Goals : public testing::Test {
 protected:
  static constexpr double kFloor = 0.86;
  static constexpr double kEvaluations = 60;

  std::vector<Step> run(const std::string& name, Objective objective, std::uint64_t seed) {
    objective.limit = limit_;
    const auto evaluator = task_->evaluator(seed);
    const Problem problem{task_->space(), task_->costs(), objective, evaluator->prices(),
                          origin_of(task_->space(), task_->costs(), *evaluator)};
    const auto searcher = method(name).make(problem, {.evaluations = kEvaluations, .seed = seed});
    return run_trial(*searcher, *evaluator, problem, {.evaluations = kEvaluations});
  }
  /// Of the cheapest that a method finds to reach the floor, how many times the cheapest there is.
  double cost_ratio(const std::string& name) {
    double least = std::numeric_limits<double>::infinity();
    for (const auto& [assignment, row] : table_.rows)
      if (task_->test_accuracy(assignment) >= kFloor) least = std::min(least, row.costs.cycles());
    double sum = 0;
    constexpr int kSeeds = 4;
    for (int seed = 1; seed <= kSeeds; ++seed) {
      const auto steps =
          run(name, {.goal = Objective::Goal::cost, .floor = kFloor}, static_cast<std::uint64_t>(seed));
      const Step* best = best_at(steps, kEvaluations);
      EXPECT_GE(task_->test_accuracy(best->answer.query.assignment), kFloor - 0.01) << name;
      sum += best->answer.costs.cycles() / least / kSeeds;
    }
    return sum;
  }
  /// Of what a method evaluates, the volume below its front as a share of that of all policies.
  double volume_ratio(const std::string& name) {
    const auto volume = [&](std::vector<Point> points) {
      return hypervolume(front_of(std::move(points)), 1);
    };
    const double reference = task_->costs().reference().cycles();
    std::vector<Point> all, found;
    for (const auto& [assignment, row] : table_.rows)
      if (row.costs.cycles() <= limit_)
        all.push_back({row.costs.cycles() / reference, task_->test_accuracy(assignment)});
    for (const Step& step : run(name, {.goal = Objective::Goal::pareto}, 1))
      if (step.answer.query.fidelity == Fidelity::full)
        found.push_back(
            {step.answer.costs.cycles() / reference, task_->test_accuracy(step.answer.query.assignment)});
    return volume(found) / volume(all);
  }

  Table table_ = test::example_table(3);
  std::unique_ptr<Task> task_ = table_task(table_);
  double limit_ = 0.8 * task_->costs().reference().cycles();
};

TEST_F(Goals, TheCheapestThatReachesAFloorIsFound) {
  EXPECT_LT(cost_ratio("ours"), 1.1);
  EXPECT_LT(cost_ratio("solver"), 1.2);
  EXPECT_LT(cost_ratio("tpe"), 1.35);
  EXPECT_LT(cost_ratio("evolution"), 1.35);
  EXPECT_LT(cost_ratio("nsga2"), 1.5);
  EXPECT_LT(cost_ratio("uniform"), 2);
  EXPECT_LT(cost_ratio("random"), 3);
}

TEST_F(Goals, AFrontIsFound) {
  EXPECT_GT(volume_ratio("ours"), 0.97);
  EXPECT_GT(volume_ratio("solver"), 0.95);
}

TEST_F(Goals, LimitsFillTheRangeAndAreBisected) {
  const auto evaluator = task_->evaluator(1);
  const Limits limits({task_->space(), task_->costs(), {.limit = limit_}, evaluator->prices()});
  EXPECT_EQ(limits.spread(0), limit_);
  EXPECT_EQ(limits.spread(1), (limit_ + limits.lowest()) / 2);
  const double enough = limits.lowest() + 0.3 * (limit_ - limits.lowest());
  const double found = limits.least([&](double limit) { return limit >= enough; });
  EXPECT_GE(found, enough);
  EXPECT_LT(found, enough + 0.01 * (limit_ - limits.lowest()));
  EXPECT_EQ(limits.least([](double) { return false; }), limit_);
}

}  // namespace
}  // namespace bitloop::search
