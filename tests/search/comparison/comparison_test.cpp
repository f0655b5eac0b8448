#include "agent/comparison/comparison.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "agent/tables/table_task.h"
#include "host/base/error.h"
#include "tests/search/example_table.h"
#include "tests/search/instance_task.h"

namespace bitloop::search {
namespace {

TEST(Statistics, IntervalOfKnownValues) {
  const std::vector<double> values{1, 2, 3, 4, 5};
  const Mean mean = mean_of(values);
  EXPECT_DOUBLE_EQ(mean.mean, 3);
  EXPECT_NEAR(mean.high - mean.mean, 1.9632, 1e-4);  // t(4) = 2.7764 times sqrt(2.5 / 5)
  EXPECT_TRUE(std::isnan(mean_of(std::vector<double>{1, 2}).low));
}

TEST(Statistics, PairedTestOfKnownValues) {
  EXPECT_NEAR(paired_p(std::vector<double>{1, 2, 3, 4, 5}), 0.0132, 1e-4);  // t = 4.2426 with 4 degrees
  EXPECT_EQ(paired_p(std::vector<double>{0, 0, 0}), 1);
}

TEST(Statistics, HolmsCorrection) {
  EXPECT_EQ(holm({0.01, 0.04, 0.03, 0.005}), (std::vector<double>{0.03, 0.06, 0.06, 0.02}));
}

TEST(Statistics, FrontAndHypervolume) {
  const auto front = front_of({{0.5, 0.6}, {0.2, 0.4}, {0.3, 0.4}, {0.6, 0.5}, {0.5, 0.7}});
  EXPECT_EQ(front, (std::vector<Point>{{0.2, 0.4}, {0.5, 0.7}}));
  EXPECT_DOUBLE_EQ(hypervolume(front, 1), 0.3 * 0.4 + 0.5 * 0.7);
}

ComparisonSpec spec_of(const Task& task, double limit) {
  (void)task;
  return {.methods = {"ours", "random"},
          .budgets = {{"0.4", Measure::cycles, limit}},
          .marks = {10, 20},
          .seeds = 4,
          .against = "ours"};
}

/// Each assignment's cost is measured when it is asked for first, which takes its time.
class MeasuringTask : public test::InstanceTask {
 public:
  using InstanceTask::InstanceTask;
  Costs costs(const Assignment& assignment) override {
    if (known_.insert(assignment).second) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    return InstanceTask::costs(assignment);
  }
  [[nodiscard]] std::size_t measured() const override { return known_.size(); }

 private:
  std::set<Assignment> known_;
};

TEST(Comparison, TimeOfMeasuringIsNoOverheadOfASearcher) {
  const Instance instance = residual_network(3, 0.4, 5);
  MeasuringTask task(instance);
  ComparisonSpec spec = spec_of(task, instance.limit);
  spec.methods = {"random"};
  spec.seeds = 1;
  // A random proposal is one draw and one cost: all but a few microseconds are the measurement's.
  EXPECT_LT(compare(task, spec).trials[0][0][0].overhead, 0.001);
  EXPECT_GT(task.measured(), 10U);
}

TEST(Comparison, ResultsDoNotDependOnWorkers) {
  const auto task = table_task(test::example_table(3));
  ComparisonSpec spec = spec_of(*task, 0.4 * task->costs().reference().cycles());
  const auto strip = [](nlohmann::ordered_json json) {
    for (auto& budget : json["budgets"])
      for (auto& method : budget["methods"]) method.erase("overhead_seconds");
    return json;
  };
  const auto one = strip(to_json(compare(*task, spec)));
  spec.workers = 4;
  EXPECT_EQ(strip(to_json(compare(*task, spec))), one);
  EXPECT_EQ(one["methods"][0]["method"], "ours");
  EXPECT_GT(one["methods"][0]["accuracy"]["mean"], one["methods"][1]["accuracy"]["mean"]);
  EXPECT_EQ(one["budgets"][0]["tests"].size(), 2);
}

TEST(Comparison, UnreachableBudgetNamesTheLowest) {
  const auto task = table_task(test::example_table(3));
  try {
    (void)compare(*task, spec_of(*task, 1));
    FAIL();
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("cost ratio is 0.063 of cycles (240)"), std::string::npos)
        << error.what();
  }
}

TEST(Comparison, WhatFoundNothingYetHasNoAccuracy) {
  const auto task = table_task(test::example_table(3));
  ComparisonSpec spec = spec_of(*task, 0.4 * task->costs().reference().cycles());
  spec.methods = {"solver", "random"};
  spec.against = "random";
  spec.marks = {2, 20};  // the solver has not finished its profile by then
  const auto json = to_json(compare(*task, spec));
  EXPECT_TRUE(json["budgets"][0]["methods"][0]["marks"][0]["accuracy"]["mean"].is_null());
  EXPECT_FALSE(json["budgets"][0]["methods"][0]["marks"][1]["accuracy"]["mean"].is_null());
  EXPECT_EQ(json["budgets"][0]["tests"][0]["p_holm"], 1);
}

TEST(Comparison, MethodsFindPoliciesWhereThereAreNoProbes) {
  Table table = test::example_table(2);
  table.probes.reset();
  const auto task = table_task(std::move(table));
  ComparisonSpec spec = spec_of(*task, 0.4 * task->costs().reference().cycles());
  spec.methods = {"ours", "solver", "greedy"};
  const Comparison comparison = compare(*task, spec);
  for (const auto& method : comparison.trials[0])
    for (const TrialResult& trial : method) EXPECT_TRUE(trial.marks.front().found);
}

}  // namespace
}  // namespace bitloop::search
