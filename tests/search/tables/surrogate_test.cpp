#include "agent/tables/surrogate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "agent/solver/knapsack.h"
#include "agent/solver/projection.h"
#include "host/base/error.h"
#include "tests/search/surrogate.h"

namespace bitloop::search {
namespace {

nlohmann::json file() {
  return nlohmann::json::parse(std::ifstream(BITLOOP_ROOT "/tables/resnet20_surrogate.json"));
}

TEST(Surrogate, AnswersAsANetworkWould) {
  const auto task = test::resnet20_surrogate();
  ASSERT_EQ(task->space().size(), 41);
  const Assignment highest = task->space().highest();
  Assignment low = highest;
  for (int d = 0; d < task->space().size(); ++d) low[d] = nearest(task->space().decisions[d], 2);
  const auto evaluator = task->evaluator(3);
  const std::vector<Query> queries{
      {highest}, {low}, {low, Fidelity::check, 4000}, {low, Fidelity::probe, 200}};
  const auto answers = evaluator->evaluate(queries);
  EXPECT_EQ(answers[0].images(), 1000);
  EXPECT_EQ(answers[2].images(), 4000);
  EXPECT_EQ(answers[3].images(), 200);
  EXPECT_EQ(answers[0].costs, task->costs().reference());
  EXPECT_LT(answers[0].loss(), answers[1].loss());
  EXPECT_NEAR(answers[1].accuracy(), task->test_accuracy(low), 0.03);
  EXPECT_NEAR(answers[2].accuracy(), task->test_accuracy(low), 0.02);
  EXPECT_NE(answers[1].folds.front(), answers[2].folds.front());  // images of its own
  EXPECT_EQ(answers[1].folds.front(), answers[3].folds.front());  // the first of an evaluation's
  EXPECT_NEAR(answers[3].price, (512 + 200) / (512.0 + 1000), 1e-9);
  EXPECT_EQ(task->evaluator(3)->evaluate(queries)[1].folds, answers[1].folds);
  EXPECT_NE(task->evaluator(4)->evaluate(queries)[1].folds, answers[1].folds);
}

TEST(Surrogate, ItsLossIsTheSumOfItsEffectsUnderItsExponentButForAPartOfItsOwn) {
  const Surrogate surrogate = surrogate_from(file());
  const auto task = surrogate_task(surrogate);
  std::mt19937_64 random(1);
  double squares = 0;
  for (int i = 0; i < 100; ++i) {
    const Assignment assignment = random_assignment(surrogate.space, random);
    double sum = std::pow(surrogate.highest, surrogate.exponent);
    for (std::size_t d = 0; d < assignment.size(); ++d) sum += surrogate.effects[d][assignment[d]];
    const double expected = std::exp(-surrogate.slope * std::pow(sum, 1 / surrogate.exponent));
    squares += std::pow(task->test_accuracy(assignment) - expected, 2) / 100;
    EXPECT_EQ(task->costs().costs(assignment).cycles(), surrogate.costs[0](surrogate.space, assignment));
  }
  EXPECT_LT(std::sqrt(squares), 0.03);
  EXPECT_GT(std::sqrt(squares), 0.001);
}

TEST(Surrogate, RefusesWhatIsNone) {
  auto json = file();
  json["loss"]["effects"].erase(0);
  EXPECT_THROW(surrogate_from(json), InputError);
  json = file();
  json["costs"]["cycles"]["terms"][0][0] = {0, 41};
  EXPECT_THROW(surrogate_from(json), InputError);
  json = file();
  json["folds"]["full"] = 25;
  EXPECT_THROW(surrogate_from(json), InputError);
  EXPECT_THROW(load_table(BITLOOP_ROOT "/tables/resnet20_surrogate.json"), InputError);
}

}  // namespace
}  // namespace bitloop::search
