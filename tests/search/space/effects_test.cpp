#include "agent/space/effects.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "agent/space/random.h"

namespace bitloop::search {
namespace {

TEST(Effects, violators_become_the_mean_of_their_block_with_the_variance_of_that_mean) {
  std::vector<MeasuredEffect> effects{{5, 1}, {1, 2}, {3, 4}, {2, 8}};
  pool_violators(effects);
  // 1 before 3 pools to 2, which does not rise to the last 2.
  const std::vector<MeasuredEffect> expected{{5, 1}, {2, 1.5}, {2, 1.5}, {2, 8}};
  for (std::size_t i = 0; i < effects.size(); ++i) {
    EXPECT_DOUBLE_EQ(effects[i].value, expected[i].value) << i;
    EXPECT_DOUBLE_EQ(effects[i].variance, expected[i].variance) << i;
  }
}

TEST(Effects, monotone_ones_are_never_negative_and_end_in_0) {
  std::vector<double> effects{0.5, 0.7, -0.2, 0.1};
  make_monotone(effects);
  const std::vector<double> expected{0.6, 0.6, 0, 0};
  for (std::size_t i = 0; i < effects.size(); ++i) EXPECT_DOUBLE_EQ(effects[i], expected[i]) << i;
}

TEST(Effects, shrink_by_what_noise_explains_of_the_spread) {
  // Mean 2, spread 4, noise 1: the true variance is 3.
  std::vector<MeasuredEffect> effects{{0, 1}, {2, 1}, {4, 1}};
  shrink({effects.begin(), effects.end()});
  EXPECT_NEAR(effects[0].value, 2 - 2 * 3.0 / 4, 1e-9);
  EXPECT_NEAR(effects[1].value, 2, 1e-9);
  EXPECT_NEAR(effects[2].value, 2 + 2 * 3.0 / 4, 1e-9);
}

TEST(Effects, a_noisy_one_does_not_hide_how_precise_ones_differ) {
  std::vector<MeasuredEffect> effects{{1, 0}, {2, 0}, {3, 0}, {6, 99}};
  shrink({effects.begin(), effects.end()});
  for (int i = 0; i < 3; ++i) EXPECT_NEAR(effects[i].value, i + 1, 1e-9);
  EXPECT_GT(effects[3].value, 2);
  EXPECT_LT(effects[3].value, 2.1);
}

TEST(Effects, all_noise_shrinks_to_the_mean_and_two_stay) {
  std::vector<MeasuredEffect> effects{{1, 9}, {2, 9}, {3, 9}};
  shrink({effects.begin(), effects.end()});
  for (const MeasuredEffect& effect : effects) EXPECT_NEAR(effect.value, 2, 1e-9);
  std::vector<MeasuredEffect> two{{1, 9}, {2, 9}};
  shrink({two.begin(), two.end()});
  EXPECT_EQ(two[0].value, 1);
}

TEST(Effects, shrunk_ones_are_nearer_to_the_truth) {
  std::mt19937_64 random(1);
  double before = 0;
  double after = 0;
  for (int trial = 0; trial < 200; ++trial) {
    std::vector<double> truth;
    std::vector<MeasuredEffect> effects;
    for (int i = 0; i < 20; ++i) {
      const double deviation = 0.2 + uniform_number(random);
      truth.push_back(1 + 0.5 * normal_number(random));
      effects.push_back({truth.back() + deviation * normal_number(random), deviation * deviation});
      before += std::pow(effects.back().value - truth.back(), 2);
    }
    shrink({effects.begin(), effects.end()});
    for (std::size_t i = 0; i < truth.size(); ++i) after += std::pow(effects[i].value - truth[i], 2);
  }
  EXPECT_LT(after, 0.5 * before);
}

TEST(Effects, noise_of_a_rise_grows_with_it_and_falls_with_the_images) {
  EXPECT_DOUBLE_EQ(rise_variance(0.5, 100), 2 * rise_variance(0.5, 200));
  EXPECT_DOUBLE_EQ(rise_variance(1, 100), 2 * rise_variance(0.5, 100));
  EXPECT_EQ(rise_variance(-1, 100), rise_variance(kLeastRise, 100));
}

}  // namespace
}  // namespace bitloop::search
