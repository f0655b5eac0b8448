#include <gtest/gtest.h>

#include <numeric>

#include "agent/agents/names.h"
#include "agent/agents/registry.h"
#include "agent/agents/reward.h"
#include "agent/searchers/registry.h"
#include "agent/solver/knapsack.h"
#include "tests/search/instance_task.h"
#include "tests/search/trial/method_suite.h"

namespace bitloop::search {

std::vector<const Method*> agent_methods() {
  agents::register_agents();
  std::vector<const Method*> found;
  for (const agents::About& agent : agents::kAgents) found.push_back(&method(agent.name));
  return found;
}

INSTANTIATE_TEST_SUITE_P(Agents, Methods, testing::ValuesIn(agent_methods()), name_of_method);

}  // namespace bitloop::search

namespace bitloop::agents {
namespace {

using search::Problem;
using search::Searcher;
using search::SearcherOptions;
using search::Step;
using search::test::InstanceTask;

TEST(Agents, AreRegisteredOnceUnderTheNamesThatProgramsWithoutThemKnow) {
  register_agents();
  const auto count = search::methods().size();
  register_agents();
  EXPECT_EQ(search::methods().size(), count);
  const auto last = search::methods().last(std::size(kAgents));
  for (std::size_t i = 0; i < last.size(); ++i) {
    EXPECT_EQ(last[i]->name, kAgents[i].name);
    EXPECT_EQ(last[i]->about, kAgents[i].about);
  }
}

struct Trial {
  std::vector<Step> steps;
  std::vector<double> rewards;  ///< of each step
};

Problem problem_of(InstanceTask& task) {
  return {task.space(),
          task,
          {.limit = task.limit()},
          task.prices(),
          search::origin_of(task.space(), task, task)};
}

std::unique_ptr<Searcher> searcher_of(const std::string& name, const Problem& problem,
                                      const SearcherOptions& options) {
  register_agents();
  return search::method(name).make(problem, options);
}

Trial run(InstanceTask& task, const std::string& name, int evaluations, std::uint64_t seed) {
  const Problem problem = problem_of(task);
  const auto searcher =
      searcher_of(name, problem, {.evaluations = static_cast<double>(evaluations), .seed = seed});
  Trial trial{search::run_trial(*searcher, task, problem,
                                {.evaluations = static_cast<double>(evaluations), .proposals = evaluations}),
              {}};
  const Reward reward = reward_of(problem, {});
  for (const Step& step : trial.steps) trial.rewards.push_back(reward(step.answer.accuracy(), 1));
  return trial;
}

TEST(Ddpg, KeepsLimitsAndMasks) {
  std::mt19937_64 random(1);
  for (int reachable = 0; reachable < 10;) {
    InstanceTask task(search::random_instance(random));
    const auto lowest = search::cheapest(task.space(), task.local(search::Measure::cycles));
    if (lowest.assignment.empty() || lowest.cost > task.limit()) continue;
    ++reachable;
    const Trial found = run(task, "ddpg", 8, 1);  // which refuses what does not keep them
    EXPECT_FALSE(found.steps.empty());
    for (const Step& step : found.steps) EXPECT_TRUE(task.space().allows(step.answer.query.assignment));
  }
}

TEST(Ddpg, DiffersWithTheSeed) {
  InstanceTask task(search::residual_network(1, 0.3, 1));
  EXPECT_NE(run(task, "ddpg", 10, 1).rewards, run(task, "ddpg", 10, 2).rewards);
}

double mean_of_last(const std::vector<double>& values, std::size_t count) {
  return std::accumulate(values.end() - static_cast<std::ptrdiff_t>(count), values.end(), 0.0) /
         static_cast<double>(count);
}

TEST(Ddpg, LearnsBetterThanRandom) {
  InstanceTask task(search::residual_network(1, 0.4, 1));
  double ddpg = 0;
  double random = 0;
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    ddpg += mean_of_last(run(task, "ddpg", 40, seed).rewards, 10);
    random += mean_of_last(run(task, "random", 40, seed).rewards, 10);
  }
  // Measured: means of 45 and 7. One that learns nothing stands by random.
  EXPECT_GT(ddpg, 2 * random) << "sums over seeds of the mean reward of the last 10 proposals";
}

TEST(Ddpg, RewardsAsTheOptionsSay) {
  InstanceTask task(search::residual_network(1, 0.4, 1));
  const Problem problem = problem_of(task);
  search::Answer answer;
  answer.folds.push_back({.images = 100, .correct = 80});
  answer.costs[search::Measure::cycles] = 0.5 * task.reference().cycles();
  EXPECT_DOUBLE_EQ(searcher_of("ddpg", problem, {.cost_in_reward = true})->reward(answer), 10 * 0.8 + 2);
  EXPECT_DOUBLE_EQ(searcher_of("ddpg", problem, {})->reward(answer), reward_of(problem, {})(0.8, 0.5));
}

/// Warm-up, which draws uniformly and learns nothing, ends by evaluations.
TEST(Ddpg, WhatIsRememberedIsNoEvaluation) {
  InstanceTask task(search::residual_network(1, 0.4, 1));
  const Problem problem = problem_of(task);
  enum class Told { nothing, remembered, fresh };
  const auto proposals = [&](Told told) {
    const auto searcher = searcher_of("ddpg", problem, {.evaluations = 10});
    std::vector<search::Query> all;
    for (int batch = 0; batch < 4; ++batch) {
      const auto queries = searcher->ask(10);
      all.insert(all.end(), queries.begin(), queries.end());
      auto answers = task.evaluate(queries);
      for (search::Answer& answer : answers) answer.remembered = told == Told::remembered;
      if (told != Told::nothing) searcher->tell(answers);
    }
    return all;
  };
  EXPECT_EQ(proposals(Told::remembered), proposals(Told::nothing));
  EXPECT_NE(proposals(Told::fresh), proposals(Told::nothing));
}

}  // namespace
}  // namespace bitloop::agents
