#include "agent/run/episodes.h"

#include <gmock/gmock.h>

#include <fstream>

#include "tests/agent/fakes.h"

namespace bitloop::agent {
namespace {

namespace fs = std::filesystem;

/// A search with a fake evaluator, whose log survives it.
class RunTest : public ::testing::Test {
 protected:
  std::vector<Episode> run(const fs::path& log_file, int fail_after = -1, const char* method = "ddpg") {
    const auto searcher = make_searcher(method, environment_, {.evaluations = 30, .batch = 2, .seed = 4});
    test::FormulaEvaluator evaluator(source_, static_cast<double>(projection_.reference()));
    evaluator.fail_after = fail_after;
    EpisodeLog log(log_file, space_.network());
    const auto judge = [&](const host::Policy& p, const Outcome& o) { return environment_.judge(p, o); };
    try {
      const auto episodes = run_episodes(*searcher, evaluator, judge, 30, log);
      evaluations_ = evaluator.evaluations;
      return episodes;
    } catch (const Error&) {
      evaluations_ = evaluator.evaluations;
      throw;
    }
  }

  /// Rows without the seconds, which no two runs share.
  static std::vector<std::string> rows(const fs::path& file) {
    std::vector<std::string> rows;
    std::ifstream stream(file);
    for (std::string line; std::getline(stream, line);) {
      const auto last = line.rfind(',');
      const auto seconds = line.rfind(',', last - 1);
      rows.push_back(line.substr(0, seconds) + line.substr(last));
    }
    return rows;
  }

  test::TemporaryFolder folder_;
  SearchSpace space_{test::small_network()};
  test::ProductCycles source_;
  BudgetProjection projection_{space_, source_, 0.5};
  Environment environment_{space_, {0.1, 0.2, 0.3, 0.2}, projection_, Reward{.accuracy_origin = 0.9}};
  int evaluations_ = 0;
};

TEST(Episodes, after_the_last_retraining_the_reward_decides_not_the_accuracy_alone) {
  const Judge cost_counts = [](const host::Policy&, const Outcome& o) {
    return 10 * o.accuracy + 1 / o.cost_ratio;
  };
  const Episode dear{.policy = {}, .outcome = {.accuracy = 0.5, .cost_ratio = 0.9}};
  const Episode cheap{.policy = {}, .outcome = {.accuracy = 0.5, .cost_ratio = 0.3}};
  EXPECT_TRUE(is_better(judged_again(cheap, 0.88, cost_counts), judged_again(dear, 0.90, cost_counts)));
  EXPECT_TRUE(is_better(judged_again(dear, 0.90, cost_counts), judged_again(cheap, 0.60, cost_counts)));
}

TEST_F(RunTest, stops_after_the_asked_number_of_evaluations) {
  const auto episodes = run(folder_.path / "episodes.csv");
  EXPECT_EQ(evaluations_, 30);
  EXPECT_EQ(std::count_if(episodes.begin(), episodes.end(), [](auto& e) { return !e.outcome.remembered; }),
            30);
  EXPECT_EQ(rows(folder_.path / "episodes.csv").size(), episodes.size() + 1);
}

TEST_F(RunTest, goes_on_after_a_kill_to_the_same_result_without_repeating_evaluations) {
  run(folder_.path / "whole.csv");
  for (const int killed_after : {0, 1, 7, 20, 29}) {
    const fs::path file = folder_.path / ("killed" + std::to_string(killed_after) + ".csv");
    EXPECT_THROW(run(file, killed_after), Error);
    const auto kept = rows(file);
    const auto evaluated =
        std::count_if(kept.begin() + 1, kept.end(), [](auto& row) { return row.back() == '0'; });
    run(file);
    EXPECT_EQ(evaluations_, 30 - evaluated) << "killed after " << killed_after;
    EXPECT_EQ(rows(file), rows(folder_.path / "whole.csv")) << "killed after " << killed_after;
  }
}

TEST_F(RunTest, a_finished_log_evaluates_nothing_again) {
  run(folder_.path / "episodes.csv");
  const auto before = rows(folder_.path / "episodes.csv");
  run(folder_.path / "episodes.csv");
  EXPECT_EQ(evaluations_, 0);
  EXPECT_EQ(rows(folder_.path / "episodes.csv"), before);
}

TEST_F(RunTest, any_torn_end_of_the_log_is_repaired) {
  run(folder_.path / "whole.csv");
  std::ifstream stream(folder_.path / "whole.csv");
  const std::string content{std::istreambuf_iterator<char>(stream), {}};
  for (std::size_t cut :
       {std::size_t{0}, std::size_t{5}, std::size_t{100}, content.size() / 2, content.size() - 1}) {
    const fs::path file = folder_.path / ("torn" + std::to_string(cut) + ".csv");
    std::ofstream(file) << content.substr(0, cut);
    run(file);
    EXPECT_EQ(rows(file), rows(folder_.path / "whole.csv")) << "cut at byte " << cut;
  }
}

TEST_F(RunTest, a_log_of_another_search_is_refused) {
  run(folder_.path / "episodes.csv");
  EXPECT_THROW(run(folder_.path / "episodes.csv", -1, "random"), Error);
}

TEST_F(RunTest, a_row_that_is_no_episode_is_bad_input) {
  run(folder_.path / "episodes.csv");
  std::ofstream(folder_.path / "episodes.csv", std::ios::app) << "31,8:8 3:3,0.5\n";
  EXPECT_THROW(EpisodeLog(folder_.path / "episodes.csv", space_.network()), InputError);
}

TEST_F(RunTest, a_log_is_open_in_one_place_only) {
  const EpisodeLog log(folder_.path / "episodes.csv", space_.network());
  EXPECT_THROW(EpisodeLog(folder_.path / "episodes.csv", space_.network()), Error);
}

TEST_F(RunTest, numbers_come_back_from_the_log_bit_by_bit) {
  const auto episodes = run(folder_.path / "episodes.csv");
  const EpisodeLog log(folder_.path / "episodes.csv", space_.network());
  ASSERT_EQ(log.recorded().size(), episodes.size());
  for (std::size_t i = 0; i < episodes.size(); ++i) {
    EXPECT_EQ(log.recorded()[i].outcome.accuracy, episodes[i].outcome.accuracy);
    EXPECT_EQ(log.recorded()[i].outcome.cost_ratio, episodes[i].outcome.cost_ratio);
    EXPECT_EQ(log.recorded()[i].reward, episodes[i].reward);
    EXPECT_EQ(log.recorded()[i].policy, episodes[i].policy);
  }
}

TEST(BestEpisodes, are_distinct_and_ordered_by_reward_then_accuracy_then_cycles) {
  const auto network = test::small_network();
  const auto episode = [&](int number, int bits, double reward, double accuracy, host::Cycles cycles) {
    return Episode{
        number, host::uniform_policy(network, bits, 8), {.accuracy = accuracy, .cycles = cycles}, reward};
  };
  const auto best =
      best_episodes({episode(1, 8, 5, 0.8, 90), episode(2, 4, 7, 0.8, 50), episode(3, 4, 7, 0.8, 50),
                     episode(4, 2, 7, 0.9, 60), episode(5, 1, 7, 0.9, 40)},
                    3);
  ASSERT_EQ(best.size(), 3U);
  EXPECT_EQ(best[0].number, 5);
  EXPECT_EQ(best[1].number, 4);
  EXPECT_EQ(best[2].number, 2);
}

}  // namespace
}  // namespace bitloop::agent
