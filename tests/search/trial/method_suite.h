#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "agent/comparison/comparison.h"
#include "agent/tables/table_task.h"
#include "agent/trial/trial.h"
#include "tests/search/example_table.h"

/// What every method holds: instantiate `Methods` with those of a library. `compare` knows each.
namespace bitloop::search {

class Methods : public testing::TestWithParam<const Method*> {
 protected:
  static constexpr double kEvaluations = 30;
  std::vector<Step> run(std::uint64_t seed, double evaluations = kEvaluations,
                        Evaluator* evaluator = nullptr) {
    const auto own = task_->evaluator(seed);
    const Problem problem{
        task_->space(), task_->costs(), {.limit = 0.4 * task_->costs().reference().cycles()}, own->prices()};
    const auto searcher = GetParam()->make(problem, {.evaluations = evaluations, .seed = seed});
    return run_trial(*searcher, evaluator != nullptr ? *evaluator : *own, problem,
                     {.evaluations = evaluations});
  }
  std::unique_ptr<Task> task_ = table_task(test::example_table(3));
};

TEST_P(Methods, PayNoMoreThanTheyMayAndFindSomething) {
  const auto steps = run(1);
  ASSERT_FALSE(steps.empty());
  EXPECT_LE(steps.back().spent, kEvaluations + 1e-9);
  const Step* best = best_at(steps, kEvaluations);
  ASSERT_NE(best, nullptr);
  EXPECT_LE(best->answer.costs.cycles(), 0.4 * task_->costs().reference().cycles());
  EXPECT_EQ(best->answer.query.fidelity, Fidelity::full);
}

TEST_P(Methods, RepeatExactly) {
  const auto first = run(3);
  const auto second = run(3);
  ASSERT_EQ(first.size(), second.size());
  for (std::size_t i = 0; i < first.size(); ++i) {
    EXPECT_EQ(first[i].answer.query, second[i].answer.query);
    EXPECT_EQ(first[i].best, second[i].best);
  }
}

TEST_P(Methods, AreAtLeastAsGoodAsRandom) {
  if (GetParam()->name == "releq")
    GTEST_SKIP()
        << "ReLeQ knows no budget: its reward is paid for cheaper policies, not for the best within one";
  const ComparisonSpec spec{.methods = {std::string(GetParam()->name), "random"},
                            .budgets = {{"0.4", Measure::cycles, 0.4 * task_->costs().reference().cycles()}},
                            .marks = {25},
                            .seeds = 6,
                            .against = "random"};
  const auto trials = compare(*task_, spec).trials[0];
  double gain = 0;
  for (std::size_t seed = 0; seed < trials[0].size(); ++seed)
    gain += trials[0][seed].marks[0].test_accuracy - trials[1][seed].marks[0].test_accuracy;
  EXPECT_GE(gain, 0);
}

inline std::string name_of_method(const testing::TestParamInfo<const Method*>& method) {
  std::string name(method.param->name);
  std::ranges::replace_if(
      name, [](char c) { return c == ':' || c == '-'; }, '_');
  return name;
}

}  // namespace bitloop::search
