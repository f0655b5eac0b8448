#include <gtest/gtest.h>

#include <cmath>

#include "agent/searchers/registry.h"
#include "agent/solver/knapsack.h"
#include "agent/trial/trial.h"
#include "tests/search/instance_task.h"

namespace bitloop::search {
namespace {

using test::InstanceTask;

constexpr double kBits[] = {1, 2, 4, 8};

/// Noise g 4^-b at a cost of c b: what the closed form is exact for, but for rounding.
Instance noise_and_bits(const std::vector<double>& noise, const std::vector<double>& cost, double budget) {
  Instance instance;
  double most = 0;
  for (std::size_t d = 0; d < noise.size(); ++d) {
    Decision decision{.name = fmt::format("d{}", d)};
    CostTerm term{.scope = {static_cast<int>(d)}};
    instance.effects.emplace_back();
    for (const double bits : kBits) {
      decision.choices.push_back({fmt::format("{}", bits), bits});
      instance.effects.back().push_back(noise[d] * (std::pow(4, -bits) - std::pow(4, -8)));
      term.values.push_back(cost[d] * bits);
    }
    instance.space.decisions.push_back(decision);
    instance.costs.terms.push_back(term);
    most += cost[d] * 8;
  }
  instance.limit = budget * most;
  return instance;
}

Assignment first_proposal(InstanceTask& task) {
  const Problem problem{
      task.space(), task, {.limit = task.limit()}, task.prices(), origin_of(task.space(), task, task)};
  const auto searcher = method("lagrange").make(problem, {.evaluations = 100});
  for (const Step& step : run_trial(*searcher, task, problem, {.evaluations = 100}))
    if (step.answer.query.fidelity == Fidelity::full) return step.answer.query.assignment;
  return {};
}

TEST(Lagrange, GivesBitsByNoisePerCost) {
  // Sixteen times the noise, or a sixteenth of the cost, are worth two bits.
  InstanceTask task(noise_and_bits({1, 16, 256, 16}, {1, 1, 1, 16}, 0.375));
  const Assignment found = first_proposal(task);
  ASSERT_EQ(found.size(), 4U);
  EXPECT_LE(found[0], found[1]);
  EXPECT_LE(found[1], found[2]);
  EXPECT_LT(found[0], found[2]);
  EXPECT_LE(found[3], found[1]);
}

TEST(Lagrange, IsNearTheOptimumWhereItsFormHolds) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 20; ++i) {
    std::vector<double> noise, cost;
    for (int d = 0; d < 12; ++d) {
      noise.push_back(std::exp2(draw(random, 0, 8)));
      cost.push_back(std::exp2(draw(random, 0, 4)));
    }
    const Instance instance = noise_and_bits(noise, cost, 0.4);
    InstanceTask task(instance);
    const Assignment found = first_proposal(task);
    ASSERT_EQ(found.size(), 12U);
    const double best = solve(instance.knapsack(), {}).front().effect;
    // What rounding to 1, 2, 4 and 8 bits costs: 1.15 times the optimum in the mean, here at most 1.81.
    EXPECT_LT(instance.effect(found), 2 * best) << "instance " << i;
    const double lowest = instance.effect(task.space().lowest());
    EXPECT_LT(instance.effect(found), 0.3 * lowest) << "instance " << i;
  }
}

}  // namespace
}  // namespace bitloop::search
