#include "agent/searchers/searcher.h"

#include <gtest/gtest.h>

#include <numeric>

#include "agent/searchers/methods.h"
#include "agent/searchers/uniform_lines.h"
#include "tests/agent/fakes.h"

namespace bitloop::agent {
namespace {

/// A toy task with a known answer, run as the product runs searches, but without files.
class Toy {
 public:
  explicit Toy(double budget) : projection_(space_, source_, budget) {}

  std::vector<double> rewards(const std::string& method, std::uint64_t seed, int evaluations) {
    const auto searcher =
        make_searcher(method, environment_, {.evaluations = evaluations, .batch = 2, .seed = seed});
    test::FormulaEvaluator formula(source_, static_cast<double>(projection_.reference()));
    RememberingEvaluator memory(formula);
    std::vector<double> rewards;
    while (memory.evaluations() < evaluations && static_cast<int>(rewards.size()) < 4 * evaluations) {
      const auto policies = searcher->ask(evaluations - memory.evaluations());
      if (policies.empty()) break;
      const auto outcomes = memory.evaluate(policies);
      std::vector<Episode> episodes;
      for (std::size_t i = 0; i < policies.size(); ++i) {
        EXPECT_LE(outcomes[i].cycles, projection_.limit()) << method;
        episodes.push_back({.policy = policies[i],
                            .outcome = outcomes[i],
                            .reward = environment_.judge(policies[i], outcomes[i])});
        rewards.push_back(episodes.back().reward);
      }
      searcher->tell(episodes);
    }
    return rewards;
  }

 private:
  SearchSpace space_{test::small_network()};
  test::ProductCycles source_;
  BudgetProjection projection_;
  Environment environment_{space_, {0.1, 0.2, 0.3, 0.2}, projection_, Reward{.accuracy_origin = 0.9}};
};

double mean_of_last(const std::vector<double>& values, std::size_t count) {
  count = std::min(count, values.size());
  return std::accumulate(values.end() - static_cast<std::ptrdiff_t>(count), values.end(), 0.0) /
         static_cast<double>(count);
}

TEST(Searchers, every_method_keeps_the_budget) {
  for (const auto& method : method_names()) Toy(0.3).rewards(method, 5, 16);
}

TEST(Searchers, repeat_exactly_with_the_same_seed_and_differ_with_another) {
  for (const std::string method : {"ddpg", "random"}) {
    const auto first = Toy(0.5).rewards(method, 7, 24);
    EXPECT_EQ(Toy(0.5).rewards(method, 7, 24), first) << method;
    EXPECT_NE(Toy(0.5).rewards(method, 8, 24), first) << method;
  }
}

TEST(Searchers, unknown_method_is_bad_input) { EXPECT_THROW(Toy(0.5).rewards("magic", 1, 4), InputError); }

TEST(Searchers, uniform_proposes_each_uniform_policy_within_the_budget_once) {
  SearchSpace space(test::small_network());
  test::ProductCycles source;
  BudgetProjection projection(space, source, 0.5);
  const auto policies = uniform_within_budget(projection);
  // 8w + 3wa <= 128: two with 8-bit weights, and all with 4, 2 and 1.
  for (const auto& policy : policies) EXPECT_LE(source.cycles(policy), 128U);
  EXPECT_EQ(policies.size(), 14U);
}

TEST(Searchers, uniform_stays_inside_the_search_space) {
  const auto policies_of = [](const SearchSpaceOptions& options) {
    const SearchSpace space(test::small_network(), options);
    test::ProductCycles source;
    BudgetProjection projection(space, source, 1);
    const auto policies = uniform_within_budget(projection);
    for (const auto& policy : policies) EXPECT_NO_THROW((void)space.assignment(policy)) << policy.key();
    return policies.size();
  };
  EXPECT_EQ(policies_of({.tied_pairs = false, .pinned = {"conv2"}}), 16U);
  EXPECT_EQ(policies_of({.tied_pairs = true, .pinned = {}}), 3U);
}

TEST(Ddpg, learns_a_toy_task_better_than_random) {
  constexpr int kEvaluations = 60;
  double ddpg = 0;
  double random = 0;
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    ddpg += mean_of_last(Toy(0.5).rewards("ddpg", seed, kEvaluations), 15);
    random += mean_of_last(Toy(0.5).rewards("random", seed, kEvaluations), 15);
  }
  EXPECT_GT(ddpg, random) << "sums over 5 seeds of the mean reward of the last 15 episodes";
  RecordProperty("ddpg", std::to_string(ddpg / 5));
  RecordProperty("random", std::to_string(random / 5));
}

}  // namespace
}  // namespace bitloop::agent
