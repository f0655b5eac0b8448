#include "agent/tables/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "agent/tables/foreign_table.h"
#include "agent/tables/table_task.h"
#include "agent/tables/task_file.h"
#include "host/base/error.h"
#include "tests/search/example_table.h"

namespace bitloop::search {
namespace {

using testing::HasSubstr;

std::string error_of(const std::string& csv) {
  try {
    (void)foreign_table(csv, "theirs");
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

class TableFile : public testing::Test {
 protected:
  ~TableFile() override { std::filesystem::remove(path_); }
  std::filesystem::path path_ =
      std::filesystem::temp_directory_path() / ("bitloop_table_test_" + std::to_string(::getpid()) + ".json");
};

TEST_F(TableFile, IsReadAsItWasWritten) {
  const Table table = test::example_table(2);
  save_table(table, path_);
  const Table read = load_table(path_);
  EXPECT_EQ(read.rows.size(), table.rows.size());
  for (const auto& [assignment, row] : table.rows) {
    EXPECT_EQ(read.rows.at(assignment).costs, row.costs);
    EXPECT_EQ(read.rows.at(assignment).reward, row.reward);
    EXPECT_EQ(read.rows.at(assignment).test, row.test);
  }
  EXPECT_EQ(read.reference, table.reference);
  EXPECT_EQ(read.probes->losses, table.probes->losses);
  EXPECT_FALSE(read.missing());
}

TEST_F(TableFile, SaysWhichPoliciesAreMissing) {
  Table table = test::example_table(1);
  table.rows.erase({1, 0});
  table.rows.erase({2, 1});
  EXPECT_EQ(table.missing()->count, 2);
  EXPECT_EQ(table.missing()->first, "4 2");
}

TEST_F(TableFile, RefusesWhatIsNoTable) {
  for (const char* content : {"", "{}", R"({"format":"bitloop table","version":9})", "[1,2"}) {
    std::ofstream(path_) << content;
    EXPECT_THROW(load_table(path_), InputError) << content;
  }
  EXPECT_THROW(load_table("/nonexistent.json"), InputError);
}

TEST(ForeignTable, HasLabelsCostsAndAccuraciesOfItsOwn) {
  const Table table =
      foreign_table("conv,fc,accuracy,bytes\nint4,3,0.5,10\nint8,3,0.75,30\nint4,10,0.6,20\n", "theirs");
  EXPECT_EQ(table.space.decisions[0].choices[0].label, "int4");
  EXPECT_EQ(table.space.decisions[1].choices[1].bits, 10);
  EXPECT_EQ(table.rows.at({1, 0}).costs[Measure::bytes], 30);
  EXPECT_EQ(table.reference[Measure::bytes], 30);
  EXPECT_EQ(table.missing()->count, 1);
}

TEST(ForeignTable, NamesTheRowThatIsWrong) {
  EXPECT_THAT(error_of("a,b\n1,2\n"), HasSubstr("accuracy"));
  EXPECT_THAT(error_of("a,accuracy\n1,0.5\n"), HasSubstr("cost"));
  EXPECT_THAT(error_of("a,accuracy,bytes\n1,0.5,1\n1,0.6,1\n"),
              HasSubstr("row 3: its policy stands there twice"));
  EXPECT_THAT(error_of("a,accuracy,bytes\n1,50,1\n"), HasSubstr("row 2: '50' is no number from 0 to 1"));
  EXPECT_THAT(error_of("a,accuracy,bytes\n1,0.5\n"), HasSubstr("row 2 has 2 cells"));
}

TEST(TableTask, SeedsDrawFoldsAndChecksHaveOthers) {
  const auto task = table_task(test::example_table(1));
  const Query full{{1, 1}, Fidelity::full, 0};
  const Query check{{1, 1}, Fidelity::check, 200};
  const auto first = task->evaluator(1)->evaluate(std::vector{full, check});
  EXPECT_EQ(first[0].images(), 500);
  EXPECT_EQ(first[1].images(), 200);
  EXPECT_EQ(task->evaluator(1)->evaluate(std::vector{full})[0].folds, first[0].folds);
  EXPECT_NE(task->evaluator(2)->evaluate(std::vector{full})[0].folds, first[0].folds);
  EXPECT_DOUBLE_EQ(first[1].price, 0.4);
}

TEST(TableTask, WhatIsMissingCostsMoreThanAnyLimit) {
  Table table = test::example_table(1);
  table.rows.erase({0, 0});
  const auto task = table_task(std::move(table));
  EXPECT_EQ(task->costs().costs({0, 0}).cycles(), std::numeric_limits<double>::infinity());
  EXPECT_EQ(task->costs().local(Measure::cycles)(task->space(), {0, 1}),
            task->costs().costs({0, 1}).cycles());
}

}  // namespace
}  // namespace bitloop::search
