#include "agent/run/run_comparison.h"

#include <gmock/gmock.h>

#include <fstream>

#include "agent/run/run_folder.h"
#include "host/base/atomic_file.h"
#include "host/base/error.h"
#include "tests/agent/fakes.h"

namespace bitloop::agent {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

Episode episode(int number, const char* policy, double cycles, double accuracy, bool remembered = false) {
  Episode e{.number = number, .policy = policy, .accuracy = accuracy, .remembered = remembered};
  e.costs[search::Measure::cycles] = cycles;
  return e;
}

/// A finished run whose best policy is that of the first episode.
fs::path make_run(const fs::path& folder, const std::string& network, double clock_hz,
                  const std::vector<Episode>& method, const std::vector<Episode>& random) {
  SearchConfig config;
  const RunFolder run(folder);
  run.create(config);
  EpisodeLog(run.episodes()).append(method);
  EpisodeLog(run.line("random")).append(random);
  const Episode& best = method.front();
  const ordered_json summary{{"network", network},
                             {"data", "images"},
                             {"method", "ours"},
                             {"hardware", "default"},
                             {"fingerprint", "f"},
                             {"memory", "ddr8"},
                             {"clock_hz", clock_hz},
                             {"search_images", 400},
                             {"limit", {{"text", "0.5"}}},
                             {"best",
                              {{"line", "ours"},
                               {"policy", best.policy},
                               {"cycles", best.costs.cycles()},
                               {"cost_ratio", 0.5},
                               {"search_accuracy", best.accuracy},
                               {"test_accuracy", 0.9},
                               {"test_low", 0.8},
                               {"test_high", 0.95}}}};
  host::write_file_atomically(run.summary(), summary.dump());
  return folder;
}

TEST(RunComparison, sets_the_best_of_each_against_all_that_the_others_evaluated) {
  const test::TemporaryFolder folder;
  const auto a =
      make_run(folder.path / "a", "net", 1e6, {episode(1, "p", 1000, 0.5), episode(2, "q", 400, 0.3)},
               {episode(1, "r", 900, 0.45)});
  const auto b =
      make_run(folder.path / "b", "net", 2e6, {episode(1, "s", 800, 0.4), episode(2, "s", 800, 0.4, true)},
               {episode(1, "t", 2000, 0.6), episode(2, "u", 1000, 0.42)});
  const auto runs = std::vector{load_result(a), load_result(b)};
  EXPECT_EQ(runs[1].evaluated.size(), 3U) << "what is remembered counts once";
  const ordered_json json = compare_runs(runs);
  ASSERT_EQ(json["pairs"].size(), 2U);
  const auto& pair = json["pairs"][0];
  EXPECT_EQ(pair["at_equal_cycles"]["other"]["policy"], "u");
  EXPECT_NEAR(pair["at_equal_cycles"]["difference"], 0.08, 1e-12);
  EXPECT_NEAR(pair["at_equal_cycles"]["high"].get<double>() - pair["at_equal_cycles"]["low"].get<double>(),
              2 * 1.96 * std::sqrt((0.25 + 0.42 * 0.58) / 400), 1e-12);
  EXPECT_EQ(pair["at_equal_accuracy"]["other"]["policy"], "t");
  EXPECT_NEAR(pair["at_equal_accuracy"]["ratio"], 0.5, 1e-12);
  EXPECT_EQ(json["pairs"][1]["at_equal_cycles"]["other"]["policy"], "q");
  std::vector<std::string> front;
  for (const auto& point : json["front"]) front.push_back(point["policy"]);
  EXPECT_THAT(front, ::testing::ElementsAre("q", "s", "r", "p", "t"));
  EXPECT_NEAR(json["front"][1]["milliseconds"], 0.4, 1e-12) << "of its own clock";
}

TEST(RunComparison, says_where_nothing_is_so_cheap_or_so_accurate) {
  const test::TemporaryFolder folder;
  const auto a = make_run(folder.path / "a", "net", 1e6, {episode(1, "p", 100, 0.9)}, {});
  const auto b = make_run(folder.path / "b", "net", 1e6, {episode(1, "q", 200, 0.8)}, {});
  const ordered_json json = compare_runs({load_result(a), load_result(b)});
  EXPECT_TRUE(json["pairs"][0]["at_equal_cycles"].is_null());
  EXPECT_TRUE(json["pairs"][0]["at_equal_accuracy"].is_null());
}

TEST(RunComparison, refuses_runs_of_different_networks_and_what_is_no_finished_run) {
  const test::TemporaryFolder folder;
  const auto a = make_run(folder.path / "a", "net", 1e6, {episode(1, "p", 100, 0.9)}, {});
  const auto b = make_run(folder.path / "b", "other", 1e6, {episode(1, "q", 200, 0.8)}, {});
  EXPECT_THROW((void)compare_runs({load_result(a), load_result(b)}), InputError);
  EXPECT_THROW((void)load_result(folder.path / "none"), InputError);
  host::write_file_atomically(RunFolder(b).summary(), "{}");
  EXPECT_THROW((void)load_result(b), InputError);
}

}  // namespace
}  // namespace bitloop::agent
