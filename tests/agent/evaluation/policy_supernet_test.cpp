#include "agent/evaluation/policy_supernet.h"

#include <gtest/gtest.h>

#include <memory>

#include "agent/run/laboratory.h"
#include "sim/sim_device.h"

namespace bitloop::agent {
namespace {

/// LeNet on noise: 51 of its 64 training images are for the weights, 12 for the shares.
std::unique_ptr<Laboratory> laboratory(const SpaceSpec& space) {
  TaskSpec spec;
  spec.data = "noise";
  auto opened = std::make_unique<Laboratory>(
      spec, space,
      std::make_shared<host::DevicePool>(
          "sim", [] { return sim::make_sim_device("default", {}, {}, sim::Detail::timing); }),
      nullptr, host::SegmentMeter::Progress{});
  EvaluationRecipe recipe{.reward_images = 64};
  recipe.retraining.epochs = 1;
  recipe.retraining.images = 100;
  recipe.retraining.calibration_images = 32;
  opened->open(open_weights(spec, opened->opened()), recipe, std::make_shared<OutcomeStore>(""));
  return opened;
}

/// All choices alike.
search::Mixture even(const search::Space& space) {
  search::Mixture mixture;
  for (const search::Decision& decision : space.decisions)
    mixture.emplace_back(decision.choices.size(), 1.0 / decision.size());
  return mixture;
}

TEST(PolicySupernet, GroupsShareAndAddWhatTheirMembersHave) {
  const auto single = laboratory({.widths = {2, 4, 8}});
  const auto grouped = laboratory({.group = "layer", .widths = {2, 4, 8}});
  const search::Mixture of_single = even(single->policies().space()),
                        of_group = even(grouped->policies().space());
  const auto a = single->task().supernet()(1)->pass(of_single, 0);
  const auto b = grouped->task().supernet()(1)->pass(of_group, 0);
  EXPECT_EQ(a.loss, b.loss);
  EXPECT_LT(b.gradient.size(), a.gradient.size());
  double largest = 0;
  for (std::size_t c = 0; c < 3; ++c) {
    double of_a = 0, of_b = 0;
    for (const auto& choices : a.gradient) of_a += choices.at(c);
    for (const auto& choices : b.gradient) of_b += choices.at(c);
    EXPECT_NEAR(of_a, of_b, 1e-6);
    largest = std::max(largest, std::abs(of_a));
  }
  EXPECT_GT(largest, 1e-3);
}

TEST(PolicySupernet, PinnedLayersAndChoicesOfShare0TakeNoPart) {
  const auto opened = laboratory({.widths = {2, 8}, .pinned = {"conv2"}});
  const auto net = opened->task().supernet()(1);
  search::Mixture mixture = even(opened->policies().space());
  for (auto& choices : mixture) choices = {0, 1};
  const auto pass = net->pass(mixture, 0);
  for (const auto& choices : pass.gradient) EXPECT_EQ(choices.front(), 0);
  const auto all_free = laboratory({.widths = {2, 8}});
  mixture.resize(all_free->policies().space().decisions.size(), {0, 1});
  EXPECT_EQ(all_free->task().supernet()(1)->pass(mixture, 0).loss, pass.loss);  // pinned is 8 bits
}

TEST(PolicySupernet, CostsThreePassesOfEachImage) {
  const auto opened = laboratory({.widths = {2, 8}});
  const auto net = opened->task().supernet()(1);
  EXPECT_EQ(net->images(), 12);
  // An evaluation: 32 for statistics, 3 * 100 for training, 32 (half of the folds) or more to judge it.
  EXPECT_DOUBLE_EQ(net->price(), 3 * 12 * opened->task().prices().probe_per_image);
  EXPECT_NEAR(net->price(), 36.0 / (32 + 300 + 32), 0.02);
}

}  // namespace
}  // namespace bitloop::agent
