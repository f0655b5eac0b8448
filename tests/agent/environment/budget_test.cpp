#include "agent/environment/budget.h"

#include <gmock/gmock.h>

#include "tests/agent/fakes.h"

namespace bitloop::agent {
namespace {

using ::testing::HasSubstr;

Assignment random_assignment(const SearchSpace& space, std::mt19937& random) {
  Assignment assignment;
  for (const auto& d : space.decisions()) assignment.push_back(d.widths[random() % d.widths.size()]);
  return assignment;
}

TEST(BudgetProjection, leaves_a_policy_within_the_budget_alone) {
  const SearchSpace space(test::small_network());
  test::ProductCycles source;
  BudgetProjection projection(space, source, 1.0);
  const Assignment assignment{8, 4, 2, 8, 8, 4, 1};
  EXPECT_EQ(projection.project(assignment), assignment);
}

TEST(BudgetProjection, goes_from_the_last_layer_backwards_input_before_weights) {
  const SearchSpace space(test::small_network());
  test::ProductCycles source;
  // w8a8 takes 256; the input of fc2 at 4 bits saves 32.
  BudgetProjection one_step(space, source, 224.0 / 256);
  EXPECT_EQ(space.policy(one_step.project(space.highest())).key(), "8:8 8:8 8:8 8:4");
  BudgetProjection two_steps(space, source, 208.0 / 256);
  EXPECT_EQ(space.policy(two_steps.project(space.highest())).key(), "8:8 8:8 8:8 4:4");
  BudgetProjection three_steps(space, source, 176.0 / 256);
  EXPECT_EQ(space.policy(three_steps.project(space.highest())).key(), "8:8 8:8 8:4 4:4");
}

TEST(BudgetProjection, tied_pairs_lower_a_layers_weights_with_its_input) {
  const SearchSpace space(test::small_network(), {.tied_pairs = true, .pinned = {}});
  test::ProductCycles source;
  BudgetProjection projection(space, source, 208.0 / 256);
  EXPECT_EQ(space.policy(projection.project(space.highest())).key(), "8:8 8:8 8:8 4:4");
}

TEST(BudgetProjection, skips_steps_that_save_nothing) {
  // Only conv2's weights matter.
  class OneLayer : public CycleSource {
    host::Cycles cycles(const host::Policy& policy) override {
      return static_cast<host::Cycles>(100 * policy.layers[1].weight_bits);
    }
  } source;
  const SearchSpace space(test::small_network());
  BudgetProjection projection(space, source, 0.25);
  EXPECT_EQ(space.policy(projection.project(space.highest())).key(), "8:8 2:8 8:8 8:8");
}

TEST(BudgetProjection, crosses_a_plateau_of_one_width) {
  // 4 bits cost what 8 cost, 2 bits half: the step 8 -> 4 saves nothing, 8 -> 2 does.
  class Plateau : public CycleSource {
    host::Cycles cycles(const host::Policy& policy) override {
      return policy.layers[3].input_bits <= 2 ? 50 : 100;
    }
  } source;
  const SearchSpace space(test::small_network());
  BudgetProjection projection(space, source, 0.5);
  EXPECT_EQ(space.policy(projection.project(space.highest())).key(), "8:8 8:8 8:8 8:2");
}

TEST(BudgetProjection, leaves_a_local_minimum_where_only_two_changes_together_save) {
  class Together : public CycleSource {
    host::Cycles cycles(const host::Policy& policy) override {
      return policy.layers[1].weight_bits == 1 && policy.layers[2].weight_bits == 1 ? 10 : 100;
    }
  } source;
  const SearchSpace space(test::small_network());
  BudgetProjection projection(space, source, 0.5);
  EXPECT_LE(projection.cycles(projection.project(space.highest())), projection.limit());
}

TEST(BudgetProjection, keeps_any_reachable_budget_on_random_tables) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const SearchSpace space(test::small_network(), {.tied_pairs = seed % 4 == 0, .pinned = {}});
    test::RandomCycles source(seed);
    std::mt19937 random(static_cast<unsigned>(seed));
    for (const double budget : {0.9, 0.7, 0.5, 0.35}) {
      std::optional<BudgetProjection> projection;
      try {
        projection.emplace(space, source, budget);
      } catch (const InputError&) {
        continue;
      }
      for (int i = 0; i < 20; ++i) {
        const long before = source.asked;
        const Assignment projected = projection->project(random_assignment(space, random));
        EXPECT_LE(projection->cycles(projected), projection->limit())
            << "seed " << seed << " budget " << budget;
        EXPECT_LT(source.asked - before, 200) << "seed " << seed << " budget " << budget;
      }
    }
  }
}

TEST(BudgetProjection, names_the_lowest_reachable_ratio_and_it_can_be_reached) {
  const SearchSpace space(test::small_network());
  test::ProductCycles source;
  try {
    BudgetProjection projection(space, source, 0.01);
    FAIL() << "budget 0.01 was taken";
  } catch (const InputError& e) {
    // 8 + 1 + 1 + 1 of 256 = 0.04297, rounded up.
    EXPECT_THAT(e.what(), HasSubstr("lowest reachable cost ratio is 0.043"));
    EXPECT_THAT(e.what(), HasSubstr("--budget 0.043"));
  }
  EXPECT_NO_THROW(BudgetProjection(space, source, 0.043));
}

TEST(BudgetProjection, counts_pinned_layers_in_the_lowest_ratio) {
  const SearchSpace space(test::small_network(), {.tied_pairs = false, .pinned = {"conv1", "fc2"}});
  test::ProductCycles source;
  EXPECT_THROW(BudgetProjection(space, source, 0.5), InputError);  // two layers of 64 of 256, and more
  EXPECT_NO_THROW(BudgetProjection(space, source, 0.51));
}

TEST(BudgetProjection, finds_a_floor_below_the_fewest_bits) {
  // One-bit weights of conv1 are dearer than two-bit ones.
  class Dearer : public CycleSource {
    host::Cycles cycles(const host::Policy& policy) override {
      return policy.layers[0].weight_bits == 2 ? 40 : 100;
    }
  } source;
  const SearchSpace space(test::small_network());
  BudgetProjection projection(space, source, 0.5);
  EXPECT_LE(projection.cycles(projection.project(space.highest())), projection.limit());
  EXPECT_LE(projection.cycles(projection.project(space.lowest())), projection.limit());
}

}  // namespace
}  // namespace bitloop::agent
