#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "agent/comparison/comparison.h"
#include "agent/searchers/expected_cost.h"
#include "agent/searchers/registry.h"
#include "agent/solver/knapsack.h"
#include "agent/trial/trial.h"
#include "host/base/error.h"
#include "tests/search/instance_task.h"

namespace bitloop::search {
namespace {

Mixture random_mixture(const Space& space, std::mt19937_64& random) {
  Mixture mixture;
  for (const Decision& decision : space.decisions) {
    double sum = 0;
    for (double& share : mixture.emplace_back(decision.choices.size()))
      sum += share = 0.1 + static_cast<double>(random() % 1000);
    for (double& share : mixture.back()) share /= sum;
  }
  return mixture;
}

TEST(ExpectedCost, IsTheMeanOfAllAssignmentsAndItsGradientTheirDifferences) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 50; ++i) {
    const Instance instance = random_instance(random, 4);
    const ExpectedCost expected(instance.costs);
    Mixture mixture = random_mixture(instance.space, random);
    double mean = 0;
    for (const Assignment& assignment : all_assignments(instance.space)) {
      double probability = 1;
      for (std::size_t d = 0; d < mixture.size(); ++d)
        probability *= mixture[d][static_cast<std::size_t>(assignment[d])];
      mean += probability * instance.costs(instance.space, assignment);
    }
    const ExpectedCost::Value value = expected(mixture);
    EXPECT_NEAR(value.cost, mean, 1e-9);
    for (std::size_t d = 0; d < mixture.size(); ++d) {
      for (std::size_t c = 0; c < mixture[d].size(); ++c) {
        const double share = mixture[d][c];
        mixture[d][c] = share + 0.5;
        EXPECT_NEAR((expected(mixture).cost - value.cost) / 0.5, value.gradient[d][c], 1e-9);
        mixture[d][c] = share;
      }
    }
  }
}

/// Its loss is that of the mean of the choices' effects, by so much more as its weights have not moved, and
/// each batch's own.
class EffectsSupernet : public Supernet {
 public:
  EffectsSupernet(const Instance& instance, double price, std::uint64_t seed)
      : effects_(instance.effects), price_(price), random_(seed) {}

  Pass pass(const Mixture& mixture, double rate) override {
    if (rate > 0) untrained_ *= 0.97;
    const double factor = (1 + untrained_) * (0.5 + static_cast<double>(random_() >> 11) * 0x1p-53);
    Pass pass{0.3, effects_};
    for (std::size_t d = 0; d < effects_.size(); ++d) {
      for (std::size_t c = 0; c < effects_[d].size(); ++c) {
        pass.gradient[d][c] *= factor;
        pass.loss += mixture.at(d).at(c) * pass.gradient[d][c];
      }
    }
    return pass;
  }
  [[nodiscard]] double price() const override { return price_; }
  [[nodiscard]] int images() const override { return 64; }

 private:
  std::vector<std::vector<double>> effects_;
  double price_;
  std::mt19937_64 random_;
  double untrained_ = 1;
};

constexpr double kEvaluations = 20;

std::vector<Step> run(const std::string& name, const Instance& instance, double price, std::uint64_t seed) {
  test::InstanceTask task(instance);
  const Problem problem{
      task.space(), task, {.limit = task.limit()}, task.prices(), {}, [&](std::uint64_t images) {
        return std::make_unique<EffectsSupernet>(instance, price, images);
      }};
  const auto searcher = method(name).make(problem, {.evaluations = kEvaluations, .seed = seed});
  return run_trial(*searcher, task, problem,
                   {.evaluations = kEvaluations});  // refuses what exceeds the limit
}

/// Of the best that a method finds, what it adds to the loss; mean of seeds.
double effect_of_best(const std::string& name, const Instance& instance, double price) {
  constexpr int kSeeds = 3;
  double sum = 0;
  for (int seed = 1; seed <= kSeeds; ++seed) {
    const auto steps = run(name, instance, price, static_cast<std::uint64_t>(seed));
    sum += instance.effect(best_at(steps, kEvaluations)->answer.query.assignment) / kSeeds;
  }
  return sum;
}

constexpr double kCheap = 0.02, kTooDear = 100;  // of a pass: for 500 of them, and for none

class DnasMethods : public testing::TestWithParam<const char*> {};

TEST_P(DnasMethods, FindBetterOnesWithTrainedProbabilities) {
  const Instance instance = residual_network(3, 0.3, 1);
  const double trained = effect_of_best(GetParam(), instance, kCheap);
  const double untrained = effect_of_best(GetParam(), instance, kTooDear);
  EXPECT_LT(trained, 0.6 * untrained);
  fmt::print("{}: {:.3f} trained, {:.3f} untrained\n", GetParam(), trained, untrained);
}

TEST_P(DnasMethods, KeepLimitsAndMasks) {
  std::mt19937_64 random(1);
  for (int reachable = 0; reachable < 30;) {
    const Instance instance = random_instance(random);
    const Solution lowest = cheapest(instance.space, instance.costs);
    if (lowest.assignment.empty() || lowest.cost > instance.limit) continue;
    ++reachable;
    for (const double price : {kCheap, kTooDear})
      EXPECT_FALSE(run(GetParam(), instance, price, 1).empty());  // which refuses what does not keep them
  }
}

TEST_P(DnasMethods, PayForTheirPassesAndRepeatExactly) {
  const Instance instance = residual_network(1, 0.4, 1);
  const auto steps = run(GetParam(), instance, 0.1, 1);
  ASSERT_EQ(steps.size(), 10);
  EXPECT_NEAR(steps.front().spent, 11, 1e-9);
  EXPECT_NEAR(steps.back().spent, 20, 1e-9);
  const auto again = run(GetParam(), instance, 0.1, 1);
  const auto other = run(GetParam(), instance, 0.1, 2);
  bool differs = false;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    EXPECT_EQ(steps[i].answer.query, again[i].answer.query);
    differs |= steps[i].answer.query != other[i].answer.query;
  }
  EXPECT_TRUE(differs);
}

TEST_P(DnasMethods, AreRefusedWhereThereIsNoNetwork) {
  test::InstanceTask task(residual_network(1, 0.4, 1));
  const ComparisonSpec spec{.methods = {"random", GetParam()},
                            .budgets = {{"0.4", Measure::cycles, task.limit()}},
                            .marks = {5},
                            .seeds = 1,
                            .against = "random"};
  try {
    (void)compare(task, spec);
    FAIL() << "no error";
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("looks at the weights of a network, and a table has none"),
              std::string::npos);
  }
}

INSTANTIATE_TEST_SUITE_P(Dnas, DnasMethods, testing::Values("dnas", "dnas:soft-barrier"),
                         [](const auto& name) { return name.index == 0 ? "dnas" : "soft_barrier"; });

}  // namespace
}  // namespace bitloop::search
