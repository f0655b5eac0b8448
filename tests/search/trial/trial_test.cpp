#include "agent/trial/trial.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "agent/searchers/registry.h"
#include "agent/tables/table_task.h"
#include "tests/search/example_table.h"
#include "tests/search/surrogate.h"
#include "tests/search/trial/method_suite.h"

namespace bitloop::search {
namespace {

TEST_P(Methods, TakeLittleTimeOfTheirOwnWithManyDecisions) {
  const auto task = test::resnet20_surrogate();
  const ComparisonSpec spec{.methods = {std::string(GetParam()->name)},
                            .budgets = {{"0.25", Measure::cycles, 0.25 * task->costs().reference().cycles()}},
                            .marks = {60},
                            .seeds = 1,
                            .against = ""};
  const TrialResult result = compare(*task, spec).trials[0][0][0];
  EXPECT_TRUE(result.marks[0].found);
  EXPECT_LT(result.overhead, 0.5);  // far above what any takes, so that a loaded machine passes
  fmt::print("{}: {:.1f} ms per evaluation\n", GetParam()->name, 1e3 * result.overhead);
}

INSTANTIATE_TEST_SUITE_P(All, Methods, testing::ValuesIn(methods().begin(), methods().end()), name_of_method);

/// In 41 decisions, within few evaluations.
TEST(Ours, IsAboveTheSolverAndNotBelowUniformPolicies) {
  const auto task = test::resnet20_surrogate();
  const ComparisonSpec spec{.methods = {"ours", "solver", "uniform"},
                            .budgets = {{"0.2", Measure::cycles, 0.2 * task->costs().reference().cycles()}},
                            .marks = {20, 60},
                            .seeds = 4,
                            .against = "ours"};
  const auto trials = compare(*task, spec).trials[0];
  const auto gain = [&](std::size_t other, std::size_t mark) {
    double sum = 0;
    for (std::size_t seed = 0; seed < 4; ++seed)
      sum += (trials[0][seed].marks[mark].test_accuracy - trials[other][seed].marks[mark].test_accuracy) / 4;
    return sum;
  };
  EXPECT_GT(gain(2, 0), 0);
  EXPECT_GT(gain(2, 1), 0.01);
  EXPECT_GT(gain(1, 1), 0);
}

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
