// Costs from tables against what the hardware counts.
#include "host/measurement/network_costs.h"

#include <gtest/gtest.h>

#include <numeric>
#include <random>

#include "host/compiler/network_plan.h"
#include "sim/sim_device.h"
#include "tests/host/network/random_cases.h"

namespace bitloop::sim {
namespace {

using host::Counters;
using host::Policy;

std::shared_ptr<host::DevicePool> timing_devices(const char* hardware) {
  return std::make_shared<host::DevicePool>(
      "timing", [hardware] { return make_sim_device(hardware, {}, {}, Detail::timing); });
}

/// As many policies are composed as are run.
void expect_costs_of_runs(const host::Network& network, const char* hardware, int count) {
  const auto devices = timing_devices(hardware);
  host::MeasurementStore store{{}};
  host::SegmentMeter meter(devices, &store);
  host::NetworkCosts costs(meter, network);
  const std::uint64_t seed = 3;
  std::mt19937_64 random(seed);
  for (int i = 0; i < count; ++i) {
    const Policy policy = host::test::random_policy(network, random);
    const Counters run = host::run_network(*devices, network, policy).total;
    ASSERT_EQ(costs.counters(policy), run) << policy.key() << ", seed " << seed;
    const std::size_t measured = costs.measured();
    ASSERT_EQ(costs.counters(policy), run) << policy.key() << ", seed " << seed;
    ASSERT_EQ(costs.measured(), measured);  // remembered
  }
}

/// A residual block of wide rows, most of which the smallest hardware holds only where it is not fused.
host::Network wide_block() {
  using host::LayerKind;
  host::Network network;
  network.name = "block";
  network.tensors = {{"image", {3, 3, 128}},
                     {"a", {16, 3, 128}},
                     {"b", {16, 3, 128}},
                     {"sum", {16, 3, 128}},
                     {"out", {4, 1, 1}}};
  const auto add = [&](const char* name, LayerKind kind, std::vector<int> inputs,
                       int kernel) -> host::Layer& {
    host::Layer layer;
    layer.name = name;
    layer.kind = kind;
    layer.inputs = std::move(inputs);
    layer.output = static_cast<int>(network.layers.size()) + 1;
    layer.kernel_height = layer.kernel_width = kernel;
    layer.pad = kernel / 2;
    return network.layers.emplace_back(layer);
  };
  add("conv1", LayerKind::conv, {0}, 1).activation = host::Activation::relu;
  add("conv2", LayerKind::conv, {1}, 3);
  add("add", LayerKind::add, {2, 1}, 1).activation = host::Activation::relu;
  add("fc", LayerKind::linear, {3}, 1);
  network.outputs = {4};
  host::derive_signedness(network);
  network.validate();
  return network;
}

TEST(NetworkCosts, equal_the_run_of_the_whole_network) {
  expect_costs_of_runs(host::zoo_network("lenet"), "tiny", 30);
  expect_costs_of_runs(host::zoo_network("lenet"), "default", 30);
  expect_costs_of_runs(host::zoo_network("resnet20", host::Shape{3, 32, 32}), "default", 5);
  expect_costs_of_runs(host::zoo_network("mobilenet-v2", host::Shape{3, 32, 32}), "default", 3);
}

TEST(NetworkCosts, DISABLED_equal_a_thousand_runs_of_lenet) {
  expect_costs_of_runs(host::zoo_network("lenet"), "default", 1000);
}

TEST(NetworkCosts, DISABLED_equal_a_thousand_runs_of_resnet20) {
  expect_costs_of_runs(host::zoo_network("resnet20", host::Shape{3, 32, 32}), "default", 1000);
}

TEST(NetworkCosts, DISABLED_equal_a_thousand_runs_of_mobilenet_v2) {
  expect_costs_of_runs(host::zoo_network("mobilenet-v2", host::Shape{3, 32, 32}), "default", 1000);
}

TEST(NetworkCosts, equal_the_run_where_the_hardware_has_too_little_memory_to_fuse) {
  const host::Network network = wide_block();
  const auto refused = [&](const Policy& policy) {
    const host::HardwareInfo hardware = timing_devices("tiny")->hardware();
    for (const host::Segment& segment : host::plan_network(network, policy, hardware).segments) {
      try {
        host::plan_segment(segment, hardware);
      } catch (const InputError&) {
        return true;
      }
    }
    return false;
  };
  EXPECT_TRUE(refused(host::uniform_policy(network, 8, 8)));
  EXPECT_FALSE(refused(host::uniform_policy(network, 2, 2)));
  expect_costs_of_runs(network, "tiny", 30);
}

TEST(NetworkCosts, are_measured_anew_where_counts_do_not_repeat) {
  MemoryModel memory;
  memory.random_stall = 0.1;
  const host::Network network = host::zoo_network("lenet");
  host::SegmentMeter meter(std::make_shared<host::DevicePool>(
                               "timing", [&] { return make_sim_device("tiny", memory, {}, Detail::timing); }),
                           nullptr);
  host::NetworkCosts costs(meter, network);
  costs.counters(host::uniform_policy(network, 1, 1));
  const std::size_t measured = costs.measured();
  costs.counters(host::uniform_policy(network, 1, 1));
  EXPECT_EQ(costs.measured(), 2 * measured);
}

TEST(NetworkCosts, of_layers_add_up_to_those_of_the_network) {
  const host::Network network = host::zoo_network("lenet");
  host::SegmentMeter meter(timing_devices("default"), nullptr);
  host::NetworkCosts costs(meter, network);
  const Policy policy = host::uniform_policy(network, 4, 2);
  std::vector<host::NetworkCosts::LayerQuery> queries;
  for (int layer = -1; layer < static_cast<int>(network.layers.size()); ++layer)
    queries.push_back({policy, layer});
  Counters sum = costs.end();
  for (const Counters& counters : costs.layers(queries)) host::add_to(sum, counters);
  const std::size_t measured = costs.measured();
  EXPECT_EQ(costs.counters(policy), sum);
  EXPECT_EQ(costs.measured(), measured);
}

TEST(NetworkCosts, know_which_rows_a_layer_depends_on) {
  const host::Network network = host::zoo_network("resnet20", host::Shape{3, 32, 32});
  host::SegmentMeter meter(timing_devices("default"), nullptr);
  const host::NetworkCosts costs(meter, network);
  const auto layers = network.weight_layers();
  const auto rows = costs.rows_of(1);  // conv1 of the first block
  EXPECT_EQ(rows.weights, (std::vector<int>{1}));
  EXPECT_EQ(rows.inputs, (std::vector<int>{1, 2}));
}

}  // namespace
}  // namespace bitloop::sim
