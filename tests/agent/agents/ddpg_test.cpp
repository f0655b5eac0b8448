#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "agent/agents/names.h"
#include "agent/agents/registry.h"
#include "agent/agents/reward.h"
#include "agent/searchers/registry.h"
#include "agent/searchers/uniform_policies.h"
#include "agent/solver/knapsack.h"
#include "agent/space/random.h"
#include "tests/search/instance_task.h"
#include "tests/search/trial/method_suite.h"

namespace bitloop::search {

std::vector<const Method*> agent_methods() {
  agents::register_agents();
  std::vector<const Method*> found;
  for (const agents::About& agent : agents::kAgents) {
    const bool is_variant = agent.name.find(':') != std::string_view::npos;  // which `Variants` has
    if (!is_variant && !method(agent.name).needs_network) found.push_back(&method(agent.name));
  }
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

/// The float network knows widths alone, so that there is something to learn.
Problem problem_of(InstanceTask& task) {
  return {task.space(),
          task,
          {.limit = task.limit()},
          task.prices(),
          search::origin_of(task.space(), task, task),
          {},
          [&task](std::string_view) {
            return search::FloatEffects{search::effects_by_width(task.space()), 0.5};
          }};
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

/// Answers without a signal: whatever was asked, or probed, is as accurate and costs as much as the highest
/// assignment.
class Blinding : public search::Evaluator {
 public:
  Blinding(search::Evaluator& inner, search::Answer origin) : inner_(inner), origin_(std::move(origin)) {}
  std::vector<search::Answer> evaluate(std::span<const search::Query> queries) override {
    auto answers = inner_.evaluate(queries);
    for (search::Answer& answer : answers) {
      answer.folds = origin_.folds;
      answer.costs = origin_.costs;
    }
    return answers;
  }
  [[nodiscard]] search::Prices prices() const override { return inner_.prices(); }

 private:
  search::Evaluator& inner_;
  search::Answer origin_;
};

/// Mean reward, by the agent's own measure, of the last third of what it proposes.
double late_reward(InstanceTask& task, const std::string& name, int evaluations, std::uint64_t seed,
                   bool blind) {
  const Problem problem = problem_of(task);
  const auto searcher =
      searcher_of(name, problem, {.evaluations = static_cast<double>(evaluations), .seed = seed});
  Blinding blinding(task, problem.origin);
  search::Evaluator& evaluator = blind ? static_cast<search::Evaluator&>(blinding) : task;
  std::vector<search::Query> full;
  for (const Step& step :
       search::run_trial(*searcher, evaluator, problem, {.evaluations = static_cast<double>(evaluations)})) {
    if (step.answer.query.fidelity == search::Fidelity::full) full.push_back(step.answer.query);
  }
  const std::size_t late = std::max<std::size_t>(1, full.size() / 3);
  double sum = 0;
  for (const search::Answer& answer : task.evaluate(std::span(full).last(late)))
    sum += searcher->reward(answer);
  return sum / static_cast<double>(late);
}

/// A small network whose decisions have the features that agents tell apart.
InstanceTask task_with_features() {
  search::Instance instance = search::residual_network(1, 0.4, 1);
  std::mt19937_64 random(1);
  instance.space.features = {"layer", "deviation", "activation"};
  for (int d = 0; d < instance.space.size(); ++d) {
    instance.space.decisions[d].features = {static_cast<double>(d) / instance.space.size(),
                                            search::uniform_number(random),
                                            instance.space.decisions[d].kind == "activation" ? 1.0 : 0.0};
  }
  return InstanceTask(std::move(instance));
}

/// Each learns from the same answers as the agent that it is a variant of, but otherwise. run_trial refuses
/// what does not keep the limit.
TEST(Variants, ProposeWithinTheLimitAndOtherwiseThanTheirAgent) {
  InstanceTask task = task_with_features();
  constexpr int kFew = 30;
  for (const About& agent : kAgents) {
    const std::size_t colon = agent.name.find(':');
    if (colon == std::string_view::npos) continue;
    const Trial own = run(task, std::string(agent.name), kFew, 1);
    const Trial other = run(task, std::string(agent.name.substr(0, colon)), kFew, 1);
    ASSERT_FALSE(own.steps.empty());
    const auto proposals = [](const Trial& trial) {
      std::vector<search::Assignment> all;
      for (const Step& step : trial.steps) all.push_back(step.answer.query.assignment);
      return all;
    };
    EXPECT_NE(proposals(own), proposals(other)) << agent.name;
  }
}

struct Course {
  const char* agent;
  int evaluations;
};

class Learning : public testing::TestWithParam<Course> {};

/// Better, by what it learns from, than itself when it is told nothing of accuracy, with the same schedule
/// and chance.
TEST_P(Learning, ProposesBetterThanItsUntaughtSelf) {
  InstanceTask task = task_with_features();
  double taught = 0;
  double untaught = 0;
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    taught += late_reward(task, GetParam().agent, GetParam().evaluations, seed, /*blind=*/false);
    untaught += late_reward(task, GetParam().agent, GetParam().evaluations, seed, /*blind=*/true);
  }
  EXPECT_GT(taught, untaught + 0.1 * std::abs(untaught)) << "sums of rewards over seeds";
}

INSTANTIATE_TEST_SUITE_P(Agents, Learning,
                         testing::Values(Course{"ddpg", 40}, Course{"cmc2024", 40}, Course{"haq", 40},
                                         Course{"releq", 100}, Course{"adrl", 40},
                                         Course{"adrl:distance", 40}),
                         [](const auto& course) {
                           std::string name(course.param.agent);
                           std::ranges::replace(name, ':', '_');
                           return name;
                         });

TEST(Ddpg, RewardsAsTheOptionsSay) {
  InstanceTask task(search::residual_network(1, 0.4, 1));
  const Problem problem = problem_of(task);
  search::Answer answer;
  answer.folds.push_back({.images = 100, .correct = 80});
  answer.costs[search::Measure::cycles] = 0.5 * task.reference().cycles();
  EXPECT_DOUBLE_EQ(searcher_of("ddpg", problem, {.cost_in_reward = true})->reward(answer), 10 * 0.8 + 2);
  EXPECT_DOUBLE_EQ(searcher_of("ddpg", problem, {})->reward(answer), reward_of(problem, {})(0.8, 0.5));
}

/// 1 - q^0.2, times a^(0.4 / a); -1 below an accuracy of 0.4.
TEST(Releq, RewardsCostAndAccuracyAsymmetrically) {
  InstanceTask task(search::residual_network(1, 0.4, 1));
  const Problem problem = problem_of(task);
  const auto releq = searcher_of("releq", problem, {});
  const double accuracy_origin = problem.origin.accuracy();
  search::Answer answer;
  answer.costs[search::Measure::cycles] = 0.5 * task.reference().cycles();
  answer.folds = {{.images = 1000, .correct = 500}};
  const double accuracy = 0.5 / accuracy_origin;
  EXPECT_DOUBLE_EQ(releq->reward(answer), (1 - std::pow(0.5, 0.2)) * std::pow(accuracy, 0.4 / accuracy));
  answer.folds = {{.images = 1000, .correct = 100}};
  EXPECT_DOUBLE_EQ(releq->reward(answer), -1);
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
