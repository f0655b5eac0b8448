#include "agent/space/space.h"

#include <gtest/gtest.h>

#include "agent/space/objective.h"
#include "host/base/error.h"

namespace bitloop::search {
namespace {

Space two_decisions() {
  return {.name = "two",
          .decisions = {{.name = "a", .choices = {{"1", 1}, {"2", 2}, {"8", 8}}},
                        {.name = "b", .kind = "activation", .choices = {{"2", 2}, {"4", 4}}}},
          .masks = {{0, 1, {true, true, true, true, true, false}}}};
}

TEST(Space, TextNamesChoicesAndIsReadBack) {
  const Space space = two_decisions();
  EXPECT_EQ(text_of(space, {2, 0}), "8 2");
  EXPECT_EQ(assignment_of(space, "8 2"), (Assignment{2, 0}));
  for (const char* wrong : {"", "8", "8 8", "8 2 2", "4 2"})
    EXPECT_THROW(assignment_of(space, wrong), InputError) << wrong;
}

TEST(Space, MasksForbidPairs) {
  const Space space = two_decisions();
  EXPECT_TRUE(space.allows({2, 0}));
  EXPECT_FALSE(space.allows({2, 1}));
  EXPECT_EQ(space.assignments(), 6);
}

TEST(Space, BitsAreTheNearestFromAbove) {
  const Space space = two_decisions();
  EXPECT_EQ(nearest(space.decisions[0], 2), 1);
  EXPECT_EQ(nearest(space.decisions[0], 4), 2);
  EXPECT_EQ(nearest(space.decisions[1], 8), 1);
}

TEST(Space, RefusesWhatCannotBeSearched) {
  Space space = two_decisions();
  EXPECT_NO_THROW(space.validate());
  space.decisions[0].choices[1] = {"1", 2};
  EXPECT_THROW(space.validate(), InputError);
  space = two_decisions();
  space.masks[0].second = 2;
  EXPECT_THROW(space.validate(), InputError);
  EXPECT_THROW(Space{}.validate(), InputError);
}

TEST(LocalCosts, SumsTermsOverTheirScopes) {
  const Space space = two_decisions();
  const LocalCosts costs{.constant = 5, .terms = {{{0}, {1, 2, 3}}, {{0, 1}, {10, 20, 30, 40, 50, 60}}}};
  EXPECT_EQ(costs(space, {1, 0}), 5 + 2 + 30);
  EXPECT_EQ(costs(space, {2, 1}), 5 + 3 + 60);
}

Answer answer(int correct, double cycles) {
  Answer a;
  a.folds = {{100, correct, 10.0}};
  a.costs[Measure::cycles] = cycles;
  return a;
}

TEST(Objective, LimitComesFirstThenAccuracy) {
  const Objective objective{.limit = 100};
  EXPECT_TRUE(objective.better(answer(80, 100), answer(90, 101)));
  EXPECT_TRUE(objective.better(answer(81, 100), answer(80, 50)));
  EXPECT_TRUE(objective.better(answer(80, 50), answer(80, 60)));
  EXPECT_FALSE(objective.better(answer(80, 50), answer(80, 50)));
}

TEST(Objective, CheapestAboveAFloor) {
  const Objective objective{.goal = Objective::Goal::cost, .limit = 100, .floor = 0.8};
  EXPECT_TRUE(objective.better(answer(80, 90), answer(99, 95)));
  EXPECT_TRUE(objective.better(answer(80, 90), answer(79, 10)));
  EXPECT_TRUE(objective.better(answer(79, 20), answer(70, 10)));
}

}  // namespace
}  // namespace bitloop::search
