#include "agent/trial/trial.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "agent/comparison/comparison.h"
#include "agent/searchers/registry.h"
#include "agent/tables/table_task.h"
#include "tests/search/example_table.h"
#include "tests/search/instance_task.h"

namespace bitloop::search {
namespace {

constexpr double kEvaluations = 30;

class Methods : public testing::TestWithParam<const Method*> {
 protected:
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

/// In ResNet-20's shape.
TEST_P(Methods, TakeLittleTimeOfTheirOwn) {
  test::InstanceTask task(residual_network(9, 0.25, 1));
  ASSERT_EQ(task.space().size(), 41);
  const ComparisonSpec spec{.methods = {std::string(GetParam()->name)},
                            .budgets = {{"0.25", Measure::cycles, task.limit()}},
                            .marks = {60},
                            .seeds = 1,
                            .against = ""};
  const TrialResult result = compare(task, spec).trials[0][0][0];
  EXPECT_TRUE(result.marks[0].found);
  EXPECT_LT(result.overhead, 0.5);  // far above what any takes, so that a loaded machine passes
  fmt::print("{}: {:.1f} ms per evaluation\n", GetParam()->name, 1e3 * result.overhead);
}

INSTANTIATE_TEST_SUITE_P(All, Methods, testing::ValuesIn(methods().begin(), methods().end()),
                         [](const auto& method) { return std::string(method.param->name); });

/// Asks the same query again and again.
class Stubborn : public Searcher {
 public:
  explicit Stubborn(Assignment assignment) : query_{std::move(assignment), Fidelity::full, 0} {}
  std::vector<Query> ask(double /*left*/) override { return {query_, query_}; }
  void tell(std::span<const Answer> answers) override {
    told.insert(told.end(), answers.begin(), answers.end());
  }
  std::vector<Answer> told;

 private:
  Query query_;
};

TEST(Trial, WhatIsKnownIsFreeAndEndsATrialThatAsksNothingNew) {
  const auto task = table_task(test::example_table(1));
  const auto evaluator = task->evaluator(1);
  const Problem problem{task->space(), task->costs(), {.limit = 1e9}, evaluator->prices()};
  Stubborn searcher({0, 0});
  const auto steps = run_trial(searcher, *evaluator, problem, {.evaluations = 5});
  EXPECT_EQ(steps.back().spent, 1);
  EXPECT_EQ(steps.size(), 2 * (kIdleBatches + 1));
  EXPECT_FALSE(searcher.told[0].remembered);
  EXPECT_TRUE(searcher.told[1].remembered);
}

TEST(Trial, ProposalsEndItToo) {
  const auto task = table_task(test::example_table(1));
  const auto evaluator = task->evaluator(1);
  const Problem problem{task->space(), task->costs(), {.limit = 1e9}, evaluator->prices()};
  Stubborn searcher({0, 0});
  EXPECT_EQ(run_trial(searcher, *evaluator, problem, {.evaluations = 5, .proposals = 7}).size(), 7);
}

}  // namespace
}  // namespace bitloop::search
