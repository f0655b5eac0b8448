#include "agent/environment/policy_space.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>

#include "host/base/error.h"

namespace bitloop::agent {
namespace {

std::vector<std::string> names(const search::Space& space) {
  std::vector<std::string> list;
  for (const search::Decision& d : space.decisions) list.push_back(d.name);
  return list;
}

class Spaces : public testing::TestWithParam<std::tuple<const char*, const char*, const char*>> {};

TEST_P(Spaces, EveryAssignmentIsAPolicyAndComesBack) {
  const auto& [network, rules, grouping] = GetParam();
  const PolicySpace space(host::zoo_network(network),
                          {.rules = rules_of(rules), .grouping = grouping_of(grouping)});
  std::mt19937 random(1);
  for (int i = 0; i < 20; ++i) {
    search::Assignment assignment;
    for (const search::Decision& d : space.space().decisions)
      assignment.push_back(static_cast<int>(random() % d.choices.size()));
    const host::Policy policy = space.policy(assignment);
    EXPECT_NO_THROW(host::validate_policy(space.network(), policy));
    EXPECT_EQ(space.assignment(policy), assignment);
  }
  EXPECT_EQ(space.policy(space.space().highest()), host::uniform_policy(space.network(), 8, 8));
}

INSTANTIATE_TEST_SUITE_P(All, Spaces,
                         testing::Combine(testing::Values("lenet", "resnet20", "mobilenet-v2"),
                                          testing::Values("free", "ends8"),
                                          testing::Values("none", "layer", "block", "stage")));

TEST(PolicySpace, StagesAndBlocksOfResNet20) {
  const auto kinds_of = [](Grouping grouping) {
    const PolicySpace space(host::zoo_network("resnet20"),
                            {.rules = Rules::ends8, .grouping = grouping, .widths = {2, 4, 8}});
    std::map<std::string, int> kinds;
    for (const search::Decision& d : space.space().decisions) {
      ++kinds[d.kind];
      EXPECT_EQ(d.size(), 3);
    }
    return kinds;
  };
  EXPECT_EQ(kinds_of(Grouping::stage), (std::map<std::string, int>{{"activation", 3}, {"weight", 3}}));
  EXPECT_EQ(kinds_of(Grouping::block),
            (std::map<std::string, int>{{"activation", 9}, {"residual", 8}, {"weight", 9}}));
}

TEST(PolicySpace, FreeDecisionsAreThoseOfEveryTensorAndWeight) {
  const PolicySpace space(host::zoo_network("resnet20"), {.rules = Rules::ends8});
  EXPECT_EQ(names(space.space()).front(), "blocks.0.conv1 input");
  EXPECT_EQ(names(space.space())[1], "blocks.0.conv1 weights");
}

TEST(PolicySpace, KnowsWhichPoliciesAreItsOwn) {
  const host::Network network = host::zoo_network("lenet");
  const PolicySpace pinned(network, {.pinned = {"conv2"}});
  EXPECT_TRUE(pinned.contains(host::uniform_policy(network, 8, 8)));
  EXPECT_FALSE(pinned.contains(host::uniform_policy(network, 4, 4)));
  EXPECT_FALSE(PolicySpace(network, {.rules = Rules::tied}).contains(host::uniform_policy(network, 2, 2)));
  EXPECT_FALSE(PolicySpace(network, {.widths = {2, 8}}).contains(host::uniform_policy(network, 4, 4)));
  EXPECT_THROW((void)pinned.assignment(host::uniform_policy(network, 4, 4)), InputError);
}

TEST(PolicySpace, DeviationsOfWeightsAreAFeatureOnceTheyAreKnown) {
  PolicySpace space(host::zoo_network("lenet"));
  const auto column = std::ranges::find(space.space().features, "deviation") - space.space().features.begin();
  const auto of = [&](int decision) { return space.space().decisions[decision].features.at(column); };
  EXPECT_EQ(of(0), 0);
  space.set_weight_deviations({0.5, 0.1, 0.2, 0.3, 0.1});
  EXPECT_EQ(of(0), 1);
  EXPECT_EQ(of(1), 1) << "conv1's tensor is described by the layer that makes it";
  EXPECT_EQ(of(2), 0);
}

TEST(PolicySpace, SettingsOfAChoiceAreWhatItsPolicySets) {
  for (const Grouping grouping : {Grouping::none, Grouping::layer, Grouping::block}) {
    for (const Rules rules : {Rules::ends8, Rules::tied}) {
      const PolicySpace space(host::zoo_network("resnet20"), {.rules = rules, .grouping = grouping});
      for (int d = 0; d < space.space().size(); ++d) {
        search::Assignment assignment = space.space().highest();
        assignment[d] = 0;
        const host::Policy policy = space.policy(assignment);
        const host::Policy highest = space.policy(space.space().highest());
        std::set<std::pair<int, int>> set;  // layer and width of weights that must differ from the highest
        for (const PolicySpace::Setting& setting : space.settings(d, 0)) {
          const host::LayerBits& layer = policy.layers.at(setting.row);
          EXPECT_EQ(setting.input ? layer.input_bits : layer.weight_bits, setting.bits);
          if (!setting.input) set.insert({setting.row, setting.bits});
        }
        for (int row = 0; row < static_cast<int>(policy.layers.size()); ++row) {
          const int bits = policy.layers[row].weight_bits;
          EXPECT_EQ(set.contains({row, bits}), bits != highest.layers[row].weight_bits);
        }
      }
    }
  }
}

TEST(PolicySpace, TiedPairsNameInputAndWeights) {
  const PolicySpace space(host::zoo_network("lenet"), {.rules = Rules::tied});
  EXPECT_EQ(space.space().assignments(), 81);
  const auto& choices = space.space().decisions[0].choices;
  ASSERT_EQ(choices.size(), 3);
  EXPECT_EQ(choices[0].label, "2:1");
  EXPECT_EQ(choices[2].label, "8:8");
}

}  // namespace
}  // namespace bitloop::agent
