#include "agent/evaluation/evaluation_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>

#include "host/base/error.h"

namespace bitloop::agent {
namespace {

using search::Answer;
using search::Query;

/// Answers a sum, counts, and notes in which order it was asked.
class CountingTask : public search::Task {
 public:
  CountingTask() {
    space_.name = "numbers";
    space_.decisions.assign(2, {.choices = std::vector<search::Choice>(100)});
  }
  [[nodiscard]] const std::string& name() const override { return space_.name; }
  [[nodiscard]] const search::Space& space() const override { return space_; }
  [[nodiscard]] search::CostModel& costs() override { throw Error("no costs"); }
  std::unique_ptr<search::Evaluator> evaluator(std::uint64_t seed) override {
    class Own : public search::Evaluator {
     public:
      Own(CountingTask& task, std::uint64_t seed) : task_(task), seed_(seed) {}
      std::vector<Answer> evaluate(std::span<const Query> queries) override {
        EXPECT_FALSE(busy_.exchange(true)) << "two threads use one evaluator";
        std::this_thread::sleep_for(task_.pause);
        ++task_.asked;
        busy_ = false;
        if (queries.front().assignment[0] == task_.fails) throw Error("this one fails");
        Answer answer{.query = queries.front()};
        answer.folds = {{static_cast<int>(seed_), queries.front().assignment[0], 0}};
        task_.order.push_back(queries.front().assignment);  // of one worker only
        return {answer};
      }
      [[nodiscard]] search::Prices prices() const override { return {.probe_images = 7}; }

     private:
      CountingTask& task_;
      std::uint64_t seed_;
      std::atomic<bool> busy_{false};
    };
    return std::make_unique<Own>(*this, seed);
  }
  double test_accuracy(const search::Assignment& /*assignment*/) override { return 0; }

  std::atomic<int> asked{0};
  int fails = -1;
  std::chrono::milliseconds pause{0};
  std::vector<search::Assignment> order;

 private:
  search::Space space_;
};

std::vector<Query> queries(std::initializer_list<search::Assignment> assignments) {
  std::vector<Query> list;
  for (const auto& assignment : assignments) list.push_back({assignment});
  return list;
}

TEST(EvaluationPool, answers_in_the_order_of_the_queries_and_asks_neighbours_one_after_the_other) {
  CountingTask task;
  EvaluationPool pool(task, 5, 1);
  EXPECT_EQ(pool.prices().probe_images, 7);
  const auto answers = pool.evaluate(queries({{3, 1}, {1, 9}, {3, 0}, {2, 4}}));
  ASSERT_EQ(answers.size(), 4U);
  EXPECT_EQ(answers[0].query.assignment, (search::Assignment{3, 1}));
  EXPECT_EQ(answers[3].folds.front().correct, 2);
  EXPECT_EQ(answers[3].folds.front().images, 5) << "the seed";
  EXPECT_EQ(task.order, (std::vector<search::Assignment>{{1, 9}, {2, 4}, {3, 0}, {3, 1}}));
}

TEST(EvaluationPool, what_several_searches_ask_at_once_is_answered_once) {
  CountingTask task;
  task.pause = std::chrono::milliseconds(50);
  EvaluationPool pool(task, 1, 1);
  const auto same = queries({{1, 1}, {2, 2}, {1, 1}});
  {
    std::vector<std::jthread> searches;
    for (int i = 0; i < 4; ++i)
      searches.emplace_back([&] { EXPECT_EQ(pool.evaluate(same)[2].folds.front().correct, 1); });
  }
  EXPECT_EQ(task.asked, 2);
}

TEST(EvaluationPool, an_error_reaches_who_asked_and_nobody_else) {
  CountingTask task;
  task.fails = 4;
  EvaluationPool pool(task, 1, 2);
  EXPECT_THROW(pool.evaluate(queries({{1, 1}, {4, 4}})), Error);
  EXPECT_EQ(pool.evaluate(queries({{2, 2}})).size(), 1U);
}

}  // namespace
}  // namespace bitloop::agent
