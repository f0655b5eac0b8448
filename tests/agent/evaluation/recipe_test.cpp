#include <gtest/gtest.h>

#include "agent/evaluation/network_task.h"

namespace bitloop::agent {
namespace {

TEST(Recipe, without_an_option_that_came_later_keeps_the_key_of_before) {
  EvaluationRecipe recipe{.context = "here"};
  EXPECT_EQ(
      recipe.key(),
      "evaluation 1 here;epochs 1 of 36000, rate 0.001, batch 64, seed 1, lsq, mixed, adam, distillation "
      "0.5, augment false, patience 0, calibration 512 0");
  recipe.retraining.learning_rate_decay = 0.8;
  EXPECT_TRUE(recipe.key().ends_with("calibration 512 0, rate decay 0.8")) << recipe.key();
}

}  // namespace
}  // namespace bitloop::agent
