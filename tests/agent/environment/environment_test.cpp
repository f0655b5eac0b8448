#include "agent/environment/environment.h"

#include <gmock/gmock.h>

#include "tests/agent/fakes.h"

namespace bitloop::agent {
namespace {

class EnvironmentTest : public ::testing::Test {
 protected:
  SearchSpace space_{test::small_network()};
  test::ProductCycles source_;
  BudgetProjection projection_{space_, source_, 0.6};
  Environment environment_{space_, {0.1, 0.2, 0.3, 0.2}, projection_, Reward{.accuracy_origin = 0.9}};
};

TEST_F(EnvironmentTest, features_of_the_papers_table_2_in_its_order) {
  // conv2: index 1 of 0..3; 4 input channels of {1,4,128,16}; 8 output channels of {4,8,16,10}; kernel 3 of
  // {3,3,1,1}; stride 1 of {1,1,0,0}; map 16 of {64,16,128,16}; 288 weights of {36,288,2048,160}; deviation
  // 0.2 of 0.1..0.3.
  const State state = environment_.state(space_.weight_decision(1), 4);
  const State expected{1 / 3.F, 3 / 127.F, 4 / 12.F, 1, 1, 0, (288 - 36) / 2012.F, 0.5F, 0, 0.5F};
  for (int i = 0; i < kStateSize; ++i) EXPECT_NEAR(state[i], expected[i], 1e-6) << "feature " << i;
}

TEST_F(EnvironmentTest, every_feature_is_between_0_and_1) {
  for (std::size_t d = 0; d < space_.decisions().size(); ++d) {
    for (const float x : environment_.state(static_cast<int>(d), 8)) {
      EXPECT_GE(x, 0);
      EXPECT_LE(x, 1);
    }
  }
}

TEST_F(EnvironmentTest, flag_tells_weights_from_activations_in_every_layer) {
  for (std::size_t d = 0; d < space_.decisions().size(); ++d) {
    const bool activation = space_.decisions()[d].kind == Decision::Kind::activation;
    EXPECT_EQ(environment_.state(static_cast<int>(d), 8)[8], activation ? 1 : 0) << "decision " << d;
  }
}

TEST_F(EnvironmentTest, states_do_not_depend_on_what_was_asked_before) {
  const State fresh = environment_.state(0, 8);
  (void)environment_.state(3, 1);
  (void)environment_.execute(space_.lowest());
  EXPECT_EQ(environment_.state(0, 8), fresh);
}

TEST_F(EnvironmentTest, equal_columns_become_zero) {
  const Environment flat(space_, {0.2, 0.2, 0.2, 0.2}, projection_, Reward{});
  EXPECT_EQ(flat.state(0, 8)[7], 0);
}

TEST_F(EnvironmentTest, executes_within_the_budget) {
  EXPECT_LE(projection_.cycles(environment_.execute(space_.highest())), projection_.limit());
}

TEST_F(EnvironmentTest, refuses_cycles_that_depend_on_data) {
  const auto policy = space_.policy(space_.highest());
  EXPECT_NO_THROW((void)environment_.judge(policy, {.accuracy = 0.8, .cycles = 256, .cost_ratio = 1}));
  EXPECT_THROW((void)environment_.judge(policy, {.accuracy = 0.8, .cycles = 257, .cost_ratio = 1}), Error);
}

}  // namespace
}  // namespace bitloop::agent
