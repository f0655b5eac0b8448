#include "agent/comparison/budget.h"

#include <gtest/gtest.h>

#include "host/base/error.h"

namespace bitloop::search {
namespace {

Costs reference() {
  Costs costs;
  costs.values = {1001, 0.5, 4000};
  return costs;
}

TEST(Budget, is_a_share_of_the_reference_or_a_quantity) {
  const auto is = [](const char* text, Measure measure, double limit, Measure of = Measure::cycles) {
    const Budget budget = budget_of(text, reference(), 1e8, of);
    EXPECT_EQ(budget.measure, measure) << text;
    EXPECT_DOUBLE_EQ(budget.limit, limit) << text;
  };
  is("0.5", Measure::cycles, 500);
  is("1", Measure::cycles, 1001);
  is("0.5", Measure::energy, 0.25, Measure::energy);
  is("0.25", Measure::bytes, 1000, Measure::bytes);
  is("0.5energy", Measure::energy, 0.25);
  is("0.4bytes", Measure::bytes, 1600);
  is("900000cycles", Measure::cycles, 900000);
  is("5ms", Measure::cycles, 500000);
  is("2mJ", Measure::energy, 0.002);
  is("1.5kB", Measure::bytes, 1500);
  is("2MB", Measure::bytes, 2e6);
  EXPECT_DOUBLE_EQ(budget_of("0.5", reference(), 0).share(reference()), 500.0 / 1001);
}

TEST(Budget, every_other_text_is_bad_input) {
  for (const char* text :
       {"", "much", "0", "-0.5", "1.5", "1.5energy", "nan", "inf", "5 ms", "5s", "0.5cycle"})
    EXPECT_THROW((void)budget_of(text, reference(), 1e8), InputError) << text;
  EXPECT_THROW((void)budget_of("5ms", reference(), 0), InputError) << "there is no clock";
}

TEST(Budget, a_plain_ratio_has_no_unit) {
  EXPECT_TRUE(is_plain_ratio("0.4"));
  EXPECT_FALSE(is_plain_ratio("0.4energy"));
  EXPECT_FALSE(is_plain_ratio("4kB"));
  EXPECT_FALSE(is_plain_ratio("x"));
}

}  // namespace
}  // namespace bitloop::search
