#include "agent/evaluation/policy_costs.h"

#include <gtest/gtest.h>

#include <random>

#include "sim/sim_device.h"

namespace bitloop::agent {
namespace {

using search::Assignment;
using search::Measure;

Assignment any(const search::Space& space, std::mt19937_64& random) {
  Assignment assignment;
  for (const search::Decision& decision : space.decisions)
    assignment.push_back(static_cast<int>(random() % decision.choices.size()));
  return assignment;
}

TEST(PolicyWriter, writes_the_space_s_policies) {
  std::mt19937_64 random(2);
  for (const Rules rules : {Rules::free, Rules::tied, Rules::ends8}) {
    for (const Grouping grouping : {Grouping::none, Grouping::layer, Grouping::block, Grouping::stage}) {
      const PolicySpace space(host::zoo_network("resnet20"), {.rules = rules, .grouping = grouping});
      PolicyWriter writer(space);
      for (int i = 0; i < 20; ++i) {
        const Assignment assignment = any(space.space(), random);
        ASSERT_EQ(writer.policy(assignment), space.policy(assignment));
      }
    }
  }
}

/// Three additions in a row behind a convolution: the last term depends on too many decisions for one table.
host::Network long_sum() {
  using host::LayerKind;
  host::Network network;
  network.name = "sum";
  network.tensors.push_back({"image", {3, 4, 4}});
  const auto add = [&](const std::string& name, LayerKind kind, std::vector<int> inputs) {
    host::Layer layer;
    layer.name = name;
    layer.kind = kind;
    layer.inputs = std::move(inputs);
    layer.output = static_cast<int>(network.tensors.size());
    layer.activation = host::Activation::relu;
    network.layers.push_back(layer);
    network.tensors.push_back({name, {8, 4, 4}});
    return layer.output;
  };
  std::vector<int> tensors{add("first", LayerKind::conv, {0})};
  for (const char* name : {"second", "third", "fourth"})
    tensors.push_back(add(name, LayerKind::conv, {tensors.back()}));
  int sum = add("last", LayerKind::conv, {tensors.back()});
  for (int i = 0; i < 3; ++i) sum = add("add" + std::to_string(i), LayerKind::add, {sum, tensors[i]});
  add("reader", LayerKind::conv, {sum});
  add("other", LayerKind::conv, {sum});
  network.outputs = {static_cast<int>(network.tensors.size()) - 2,
                     static_cast<int>(network.tensors.size()) - 1};
  host::derive_signedness(network);
  network.validate();
  return network;
}

class PolicyCostsTest : public testing::Test {
 protected:
  static host::SegmentMeter& meter() {
    static host::SegmentMeter shared(
        std::make_shared<host::DevicePool>(
            "timing", [] { return sim::make_sim_device("default", {}, {}, sim::Detail::timing); }),
        nullptr);
    return shared;
  }
  const host::EnergyProfile profile_ = host::load_energy_profile(host::energy_profile_names().front());
};

TEST_F(PolicyCostsTest, are_those_of_the_measured_network) {
  const host::Network network = host::zoo_network("lenet");
  const PolicySpace space(network);
  PolicyCosts costs(space, meter(), profile_);
  std::mt19937_64 random(1);
  for (int i = 0; i < 20; ++i) {
    const Assignment assignment = any(space.space(), random);
    const host::Policy policy = space.policy(assignment);
    const host::MeasuredNetwork measured = host::measure_network(meter(), network, policy);
    const search::Costs found = costs.costs(assignment);
    EXPECT_EQ(found.cycles(), static_cast<double>(measured.cycles()));
    EXPECT_DOUBLE_EQ(found[Measure::energy] * 1e12,
                     host::energy(measured.total, profile_, meter().hardware()).total());
    double bits = 0;
    for (std::size_t row = 0; row < policy.layers.size(); ++row)
      bits += static_cast<double>(network.weight_count(*network.weight_layers()[row])) *
              policy.layers[row].weight_bits;
    EXPECT_EQ(found[Measure::bytes], bits / 8);
  }
  EXPECT_EQ(costs.reference(), costs.costs(host::uniform_policy(network, 8, 8)));
}

TEST_F(PolicyCostsTest, are_sums_of_local_terms_where_all_that_is_kept_fits) {
  const PolicySpace space(host::zoo_network("lenet"));
  PolicyCosts costs(space, meter(), profile_);
  std::mt19937_64 random(4);
  for (int i = 0; i < 200; ++i) {
    const Assignment assignment = any(space.space(), random);
    const search::Costs real = costs.costs(assignment);
    EXPECT_NEAR(costs.local(Measure::cycles)(space.space(), assignment), real.cycles(), 1e-6);
    EXPECT_NEAR(costs.local(Measure::energy)(space.space(), assignment), real[Measure::energy], 1e-15);
    EXPECT_DOUBLE_EQ(costs.local(Measure::bytes)(space.space(), assignment), real[Measure::bytes]);
  }
  EXPECT_TRUE(costs.local(Measure::bytes).exact);
  EXPECT_FALSE(costs.local(Measure::cycles).exact);
}

/// On hardware that keeps little on chip the terms are right where they were measured.
TEST_F(PolicyCostsTest, have_local_terms_that_are_exact_at_their_context) {
  const PolicySpace space(host::zoo_network("lenet"));
  host::SegmentMeter tiny(
      std::make_shared<host::DevicePool>(
          "timing", [] { return sim::make_sim_device("tiny", {}, {}, sim::Detail::timing); }),
      nullptr);
  PolicyCosts costs(space, tiny, profile_);
  std::mt19937_64 random(4);
  const Assignment context = any(space.space(), random);
  const search::LocalCosts local = costs.local_around(Measure::cycles, context);
  EXPECT_NEAR(local(space.space(), context), costs.costs(context).cycles(), 1e-6);
}

TEST_F(PolicyCostsTest, have_local_terms_for_what_is_grouped) {
  for (const Grouping grouping : {Grouping::layer, Grouping::stage}) {
    const PolicySpace space(host::zoo_network("lenet"), {.rules = Rules::ends8, .grouping = grouping});
    PolicyCosts costs(space, meter(), profile_);
    std::mt19937_64 random(4);
    for (int i = 0; i < 20; ++i) {
      const Assignment assignment = any(space.space(), random);
      EXPECT_NEAR(costs.local(Measure::cycles)(space.space(), assignment), costs.costs(assignment).cycles(),
                  1e-6);
    }
  }
}

TEST_F(PolicyCostsTest, have_terms_of_few_decisions_where_a_layer_depends_on_many) {
  const PolicySpace space(long_sum());
  PolicyCosts costs(space, meter(), profile_);
  const search::LocalCosts& local = costs.local(Measure::cycles);
  for (const search::CostTerm& term : local.terms) EXPECT_LE(term.values.size(), 1024u);
  std::mt19937_64 random(4);
  for (int i = 0; i < 50; ++i) {
    const Assignment assignment = any(space.space(), random);
    const double real = costs.costs(assignment).cycles();
    EXPECT_NEAR(local(space.space(), assignment), real, 0.02 * real);
  }
}

}  // namespace
}  // namespace bitloop::agent
