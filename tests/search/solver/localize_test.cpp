#include "agent/solver/localize.h"

#include <gtest/gtest.h>

#include "tests/search/instances.h"

namespace bitloop::search {
namespace {

/// Three decisions of two choices, each of which costs what its choice is, and the first two at once
/// `extra` more; the terms have it as it is at their context.
class Coupled : public CostModel {
 public:
  Coupled(const Space& space, double extra)
      : space_(space), extra_(extra), local_(local_around({}, {0, 0, 0})) {}

  Costs costs(const Assignment& at) override {
    Costs costs;
    costs[Measure::cycles] = at[0] + at[1] + at[2] + extra_ * at[0] * at[1];
    return costs;
  }
  const LocalCosts& local(Measure /*measure*/) override { return local_; }
  LocalCosts local_around(Measure /*measure*/, const Assignment& context) override {
    ++rounds;
    LocalCosts local;
    for (int d = 0; d < space_.size(); ++d) local.terms.push_back({{d}, {0, 1}});
    local.terms[0].values[1] += extra_ * context[1];
    return local;
  }
  [[nodiscard]] const Costs& reference() const override { return reference_; }
  int rounds = 0;

 private:
  const Space& space_;
  double extra_;
  Costs reference_{};
  LocalCosts local_;
};

class Localize : public testing::Test {
 protected:
  Localize() {
    for (const char* name : {"a", "b", "c"})
      space_.decisions.push_back({.name = name, .choices = {{"4", 4}, {"8", 8}}});
  }
  Space space_;
};

TEST_F(Localize, ends_where_local_and_real_cost_agree) {
  Coupled costs(space_, 3);
  const std::vector<std::vector<double>> effects{{5, 0}, {4, 0}, {3, 0}};
  const LocalCosts local = localize(space_, costs, Measure::cycles, effects, 2);
  const Solution best = solve({space_, local, effects, 2}).front();
  EXPECT_EQ(best.cost, costs.costs(best.assignment).cycles());
  EXPECT_LE(best.cost, 2);
  EXPECT_EQ(best.assignment, (Assignment{0, 1, 1}));  // {1, 1, 0} by the terms of everywhere, which costs 5
}

TEST_F(Localize, asks_once_where_the_terms_agree_at_once) {
  Coupled costs(space_, 0);
  const int before = costs.rounds;
  localize(space_, costs, Measure::cycles, {{5, 0}, {4, 0}, {3, 0}}, 2);
  EXPECT_EQ(costs.rounds, before);
}

TEST_F(Localize, gives_terms_where_nothing_keeps_the_limit) {
  Coupled costs(space_, 3);
  EXPECT_EQ(localize(space_, costs, Measure::cycles, {{5, 0}, {4, 0}, {3, 0}}, -1).terms.size(), 3u);
}

}  // namespace
}  // namespace bitloop::search
