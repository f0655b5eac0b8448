#include "agent/evaluation/evaluator.h"

#include <gtest/gtest.h>

#include "tests/agent/fakes.h"

namespace bitloop::agent {
namespace {

std::vector<host::Policy> policies(std::initializer_list<const char*> widths) {
  std::vector<host::Policy> result;
  for (const char* w : widths) result.push_back(host::load_policy(test::small_network(), w));
  return result;
}

TEST(RememberingEvaluator, counts_a_repeated_policy_once) {
  test::ProductCycles source;
  test::FormulaEvaluator inner(source, 256);
  RememberingEvaluator memory(inner);
  const auto first = memory.evaluate(policies({"w8a8", "w4a4"}));
  const auto second = memory.evaluate(policies({"w4a4", "w2a2"}));
  EXPECT_EQ(inner.evaluations, 3);
  EXPECT_EQ(memory.evaluations(), 3);
  EXPECT_FALSE(first[1].remembered);
  EXPECT_TRUE(second[0].remembered);
  EXPECT_FALSE(second[1].remembered);
  EXPECT_EQ(second[0].accuracy, first[1].accuracy);
}

TEST(RememberingEvaluator, evaluates_a_policy_that_stands_twice_in_a_batch_once) {
  test::ProductCycles source;
  test::FormulaEvaluator inner(source, 256);
  RememberingEvaluator memory(inner);
  const auto outcomes = memory.evaluate(policies({"w4a4", "w4a4"}));
  EXPECT_EQ(inner.evaluations, 1);
  EXPECT_FALSE(outcomes[0].remembered);
  EXPECT_TRUE(outcomes[1].remembered);
}

TEST(RememberingEvaluator, a_restored_outcome_counts_once_without_being_repeated) {
  test::ProductCycles source;
  test::FormulaEvaluator inner(source, 256);
  RememberingEvaluator memory(inner);
  const auto asked = policies({"w4a4"});
  memory.restore(asked[0].key(), {.accuracy = 0.5});
  EXPECT_EQ(memory.evaluations(), 0);
  const auto first = memory.evaluate(asked);
  EXPECT_EQ(first[0].accuracy, 0.5);
  EXPECT_FALSE(first[0].remembered);
  EXPECT_TRUE(memory.evaluate(asked)[0].remembered);
  EXPECT_EQ(memory.evaluations(), 1);
  EXPECT_EQ(inner.evaluations, 0);
}

TEST(RememberingEvaluator, keeps_nothing_of_a_batch_that_failed) {
  test::ProductCycles source;
  test::FormulaEvaluator inner(source, 256);
  RememberingEvaluator memory(inner);
  inner.fail_after = 1;
  EXPECT_THROW(memory.evaluate(policies({"w8a8", "w4a4"})), Error);
  EXPECT_EQ(memory.evaluations(), 0);
}

/// Notes the order in which it is asked.
class Noting : public Evaluator {
 public:
  explicit Noting(std::vector<std::string>& asked) : asked_(asked) {}
  std::vector<Outcome> evaluate(std::span<const host::Policy> policies) override {
    asked_.push_back(policies.front().key());
    return std::vector<Outcome>(policies.size());
  }

 private:
  std::vector<std::string>& asked_;
};

TEST(ParallelEvaluator, asks_for_policies_that_start_alike_one_after_the_other) {
  std::vector<std::string> asked;
  std::vector<std::unique_ptr<Evaluator>> workers;
  workers.push_back(std::make_unique<Noting>(asked));
  ParallelEvaluator(std::move(workers)).evaluate(policies({"w8a8", "w2a2", "w8a4", "w4a4", "w2a8"}));
  EXPECT_TRUE(std::ranges::is_sorted(asked));
  EXPECT_EQ(asked.size(), 5U);
}

TEST(ParallelEvaluator, outcomes_do_not_depend_on_the_number_of_workers) {
  const auto asked = policies({"w8a8", "w4a4", "w2a2", "w1a2", "w8a4", "w4a8", "w2a8"});
  test::ProductCycles sources[4];
  std::vector<double> expected;
  for (int workers = 1; workers <= 4; ++workers) {
    std::vector<std::unique_ptr<Evaluator>> evaluators;
    for (int i = 0; i < workers; ++i) {
      evaluators.push_back(std::make_unique<test::FormulaEvaluator>(sources[i], 256));
    }
    std::vector<double> accuracies;
    for (const auto& o : ParallelEvaluator(std::move(evaluators)).evaluate(asked))
      accuracies.push_back(o.accuracy);
    if (workers == 1) expected = accuracies;
    EXPECT_EQ(accuracies, expected);
  }
}

}  // namespace
}  // namespace bitloop::agent
