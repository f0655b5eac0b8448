#include "agent/space/cheapest_costs.h"

#include <gtest/gtest.h>

#include <cmath>

#include "host/base/error.h"

namespace bitloop::search {
namespace {

/// Cycles of one decision's choices; negative: refused.
class Table : public CostModel {
 public:
  explicit Table(std::vector<double> cycles) : cycles_(std::move(cycles)), local_{.terms = {{{0}, cycles_}}} {
    reference_[Measure::cycles] = cycles_.back();
  }
  Costs costs(const Assignment& assignment) override {
    const double cycles = cycles_[static_cast<std::size_t>(assignment[0])];
    if (cycles < 0) throw InputError("too little memory");
    Costs costs;
    costs[Measure::cycles] = cycles;
    return costs;
  }
  const LocalCosts& local(Measure /*measure*/) override { return local_; }
  [[nodiscard]] const Costs& reference() const override { return reference_; }
  [[nodiscard]] std::size_t measured() const override { return 1; }

 private:
  std::vector<double> cycles_;
  LocalCosts local_;
  Costs reference_;
};

TEST(CheapestCosts, are_those_of_the_model_on_which_an_assignment_is_cheapest) {
  const Space space{.decisions = {{.name = "a", .choices = {{.bits = 1}, {.bits = 4}, {.bits = 8}}}}};
  Table narrow({1, 5, 9}), wide({3, 4, 7}), small({0.5, -1, 20});
  CheapestCosts costs(space, {&narrow, &wide, &small}, Measure::cycles);
  EXPECT_EQ(costs.costs({0}).cycles(), 0.5);
  EXPECT_EQ(costs.costs({1}).cycles(), 4);  // which the third one refuses
  EXPECT_EQ(costs.costs({2}).cycles(), 7);
  EXPECT_EQ(costs.cheapest({0}), 2u);
  EXPECT_EQ(costs.cheapest({1}), 1u);
  EXPECT_EQ(costs.reference().cycles(), 7);
  EXPECT_EQ(costs.cheapest_reference(), 1u);
  EXPECT_EQ(costs.local_around(Measure::cycles, {0}).terms.front().values.front(), 0.5);
  EXPECT_EQ(costs.local(Measure::cycles).terms.front().values.front(), 3);
  EXPECT_EQ(costs.measured(), 3u);
}

}  // namespace
}  // namespace bitloop::search
