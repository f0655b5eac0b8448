#include <gtest/gtest.h>

#include <filesystem>
#include <ostream>
#include <vector>

#include "agent/comparison/comparison.h"
#include "agent/tables/table_task.h"
#include "agent/tables/task_file.h"

namespace bitloop::search {
namespace {

constexpr double kSlack = 0.005;  ///< accuracy; more than eight seeds leave uncertain

struct Case {
  const char* table;
  std::vector<const char*> budgets;  ///< the first the lowest that is reachable, or nearly
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.table; }

class RepositoryTables : public testing::TestWithParam<Case> {};

/// The promise of `ours`, on what everybody can run: never clearly behind the plain solver, or behind doing
/// nothing clever.
TEST_P(RepositoryTables, OursIsNotBehindSolverAndUniform) {
  const auto file = std::filesystem::path(BITLOOP_ROOT) / "tables" / GetParam().table;
  EXPECT_LE(std::filesystem::file_size(file), 400'000U);
  Table table = load_table(file);
  EXPECT_FALSE(table.missing());
  const auto task = table_task(std::move(table));
  const Costs& reference = task->costs().reference();
  ComparisonSpec spec;
  spec.methods = {"ours", "solver", "uniform"};
  spec.marks = {20, 80};
  spec.seeds = 8;
  for (const char* budget : GetParam().budgets) spec.budgets.push_back(budget_of(budget, reference, 0));
  const Comparison comparison = compare(*task, spec);
  for (std::size_t b = 0; b < spec.budgets.size(); ++b) {
    const auto mean = [&](std::size_t method, std::size_t mark) {
      double sum = 0;
      for (const TrialResult& trial : comparison.trials[b][method]) sum += trial.marks[mark].test_accuracy;
      return sum / spec.seeds;
    };
    for (std::size_t mark = 0; mark < spec.marks.size(); ++mark) {
      for (const std::size_t other : {1, 2}) {
        EXPECT_GE(mean(0, mark), mean(other, mark) - kSlack)
            << spec.methods[other] << " at " << spec.budgets[b].text << " after " << spec.marks[mark];
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, RepositoryTables,
                         testing::Values(Case{"lenet.json", {"0.3", "0.4", "0.6"}},
                                         Case{"resnet20_stages.json", {"0.25", "0.4", "0.6"}}));

}  // namespace
}  // namespace bitloop::search
