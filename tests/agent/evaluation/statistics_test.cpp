#include "agent/evaluation/statistics.h"

#include <gtest/gtest.h>

namespace bitloop::agent {
namespace {

TEST(AccuracyInterval, is_wilsons) {
  // Newcombe 1998, table I, method 3: 81/263 gives 0.2553 to 0.3662.
  const Interval interval = accuracy_interval(81.0 / 263, 263);
  EXPECT_NEAR(interval.low, 0.2553, 5e-5);
  EXPECT_NEAR(interval.high, 0.3662, 5e-5);
}

TEST(AccuracyInterval, stays_in_0_to_1) {
  EXPECT_DOUBLE_EQ(accuracy_interval(1, 10).high, 1);
  EXPECT_DOUBLE_EQ(accuracy_interval(0, 10).low, 0);
}

TEST(ClearlyBetter, needs_more_than_the_noise_of_both) {
  // Standard error of each: sqrt(.9 * .1 / 10000) = 0.003; of the difference 0.0042; 1.96 of them 0.0083.
  EXPECT_FALSE(is_clearly_better(0.908, 0.900, 10000));
  EXPECT_TRUE(is_clearly_better(0.909, 0.900, 10000));
  EXPECT_FALSE(is_clearly_better(0.900, 0.909, 10000));
}

}  // namespace
}  // namespace bitloop::agent
