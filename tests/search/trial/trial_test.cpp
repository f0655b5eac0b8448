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

/// Those that need no network: here are tables.
std::vector<const Method*> methods_on_tables() {
  std::vector<const Method*> found;
  for (const Method* method : methods())
    if (!method->needs_network) found.push_back(method);
  return found;
}

INSTANTIATE_TEST_SUITE_P(All, Methods, testing::ValuesIn(methods_on_tables()), name_of_method);

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

/// Spends as much of its own whenever it is asked, then asks something new.
class Spender : public Searcher {
 public:
  explicit Spender(double each) : each_(each) {}
  std::vector<Query> ask(double left) override {
    lefts.push_back(left);
    spent_ += each_;
    const int asked = static_cast<int>(lefts.size()) - 1;
    return full({asked % 3, asked / 3});
  }
  void tell(std::span<const Answer> /*answers*/) override {}
  [[nodiscard]] double spent() const override { return spent_; }
  std::vector<double> lefts;

 private:
  static std::vector<Query> full(Assignment assignment) { return {{std::move(assignment)}}; }
  double each_;
  double spent_ = 0;
};

TEST(Trial, WhatASearcherSpendsItselfCounts) {
  const auto task = table_task(test::example_table(1));
  const auto evaluator = task->evaluator(1);
  const Problem problem{task->space(), task->costs(), {.limit = 1e9}, evaluator->prices()};
  Spender searcher(0.75);
  const auto steps = run_trial(searcher, *evaluator, problem, {.evaluations = 5});
  ASSERT_EQ(steps.size(), 2);  // a third would end at 5.25
  EXPECT_DOUBLE_EQ(steps[0].spent, 1.75);
  EXPECT_DOUBLE_EQ(steps[1].spent, 3.5);
  EXPECT_EQ(searcher.lefts, (std::vector<double>{5, 3.25, 1.5}));
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
