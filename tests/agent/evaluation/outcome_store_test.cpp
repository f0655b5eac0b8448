#include "agent/evaluation/outcome_store.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/agent/fakes.h"

namespace bitloop::agent {
namespace {

const OutcomeStore::Entry kEntry{{{200, 150, 0.1 + 0.2}, {199, 3, 7.5}}, 1.25};

TEST(OutcomeStore, keeps_outcomes_bit_by_bit_in_its_file) {
  const test::TemporaryFolder folder;
  const auto file = folder.path / "new" / "outcomes.sqlite";
  OutcomeStore(file).add("key", kEntry);
  OutcomeStore again(file);
  EXPECT_FALSE(again.find("other"));
  const auto found = again.find("key");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->folds, kEntry.folds);
  EXPECT_EQ(found->seconds, kEntry.seconds);
}

TEST(OutcomeStore, of_a_run_takes_from_the_one_behind_it_and_tells_it) {
  const test::TemporaryFolder folder;
  const auto shared = std::make_shared<OutcomeStore>(folder.path / "shared.sqlite");
  shared->add("old", kEntry);
  OutcomeStore run(folder.path / "run.sqlite", {}, shared);
  EXPECT_TRUE(run.find("old"));
  run.add("new", kEntry);
  EXPECT_TRUE(shared->find("new"));
  OutcomeStore alone(folder.path / "run.sqlite");
  EXPECT_TRUE(alone.find("old")) << "the run is whole in itself";
  EXPECT_TRUE(alone.find("new"));
}

TEST(OutcomeStore, goes_on_without_a_file_that_is_none_and_says_so_once) {
  const test::TemporaryFolder folder;
  std::ofstream(folder.path / "no.sqlite") << std::string(4096, 'x');
  std::vector<std::string> warnings;
  OutcomeStore store(folder.path / "no.sqlite", [&](const std::string& line) { warnings.push_back(line); });
  store.add("key", kEntry);
  EXPECT_TRUE(store.find("key"));
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_NE(warnings.front().find("no.sqlite"), std::string::npos);
}

}  // namespace
}  // namespace bitloop::agent
