#include "host/measurement/plan_tables.h"

#include <gtest/gtest.h>

#include <random>

#include "host/compiler/network_plan.h"
#include "host/measurement/segment_key.h"
#include "tests/host/network/random_cases.h"
#include "tests/host/network/random_graphs.h"

namespace bitloop::host {
namespace {

constexpr int kRandomGraphs = 40;

Network zoo(const char* name) { return zoo_network(name, Shape{3, 32, 32}); }

/// The keys of a policy by the planner; or what it refuses.
std::vector<std::string> planned(const Network& network, const Policy& policy, const HardwareInfo& hardware,
                                 bool separate) {
  std::vector<std::string> texts;
  try {
    for (const Segment& segment : plan_network(network, policy, hardware, {.separate = separate}).segments)
      texts.push_back(key_text(segment, texts.empty()));
  } catch (const InputError& error) {
    texts.emplace_back(error.what());
  }
  return texts;
}

/// What stands for each key, over many policies: equal ones must be.
class Plans {
 public:
  Plans(const Network& network, const HardwareInfo& hardware, bool separate)
      : plans_(make_network_plans(network, hardware, separate)) {}

  std::vector<std::string> keys(const Policy& policy) {
    std::vector<std::string> texts;
    try {
      const auto placed = plans_->plan(policy);
      for (std::size_t i = 0; i < placed.size(); ++i) {
        texts.push_back(key_text(plans_->segment(i), i == 0));
        const auto& known = text_of_.try_emplace(placed[i], texts.back()).first->second;
        EXPECT_EQ(known, texts.back()) << "one stands for two keys under " << policy.key();
      }
    } catch (const InputError& error) {
      texts = {error.what()};
    }
    return texts;
  }

 private:
  std::unique_ptr<NetworkPlans> plans_;
  std::unordered_map<NetworkPlans::Placed, std::string, NetworkPlans::PlacedHash> text_of_;
};

void expect_keys_of_the_plan(const Network& network, int policies, const HardwareInfo& hardware = {}) {
  const std::uint64_t seed = 11;
  std::mt19937_64 random(seed);
  for (const bool separate : {false, true}) {
    Plans plans(network, hardware, separate);
    for (int i = 0; i < policies; ++i) {
      const Policy policy = test::random_policy(network, random);
      ASSERT_EQ(plans.keys(policy), planned(network, policy, hardware, separate))
          << network.name << " " << policy.key() << ", seed " << seed;
    }
  }
}

TEST(PlanTables, have_the_keys_of_the_plan) {
  for (const char* name : {"lenet", "resnet20", "mobilenet-v2"}) {
    const Network network = std::string(name) == "lenet" ? zoo_network(name) : zoo(name);
    ASSERT_NE(PlanTables::make(network, {}, false), nullptr) << name;
    expect_keys_of_the_plan(network, 300);
  }
}

TEST(PlanTables, DISABLED_have_the_keys_of_the_plan_in_many_policies) {
  expect_keys_of_the_plan(zoo_network("lenet"), 3000);
  for (const char* name : {"resnet20", "mobilenet-v2", "resnet18", "resnet50"})
    expect_keys_of_the_plan(zoo(name), 3000);
}

TEST(PlanTables, have_the_keys_of_the_plan_where_little_fits) {
  HardwareInfo hardware;
  hardware.activation_rows = 300;
  for (const char* name : {"resnet20", "mobilenet-v2", "resnet50"})
    expect_keys_of_the_plan(zoo(name), 60, hardware);
}

/// Half of them have tables; concats, groups and interleaves are planned.
TEST(PlanTables, have_the_keys_of_the_plan_in_random_graphs) {
  int with_tables = 0;
  for (int seed = 0; seed < kRandomGraphs; ++seed) {
    const Network network = test::random_graph(static_cast<std::uint64_t>(seed));
    if (PlanTables::make(network, {}, false) != nullptr) ++with_tables;
    expect_keys_of_the_plan(network, 20);
  }
  EXPECT_GE(with_tables, kRandomGraphs / 4);
  EXPECT_LT(with_tables, kRandomGraphs);
}

/// A single measured layer: what it writes has its input's width.
TEST(PlanTables, have_the_keys_of_the_plan_of_a_layer_by_itself) {
  expect_keys_of_the_plan(single_layer_network("conv in=64x8x8 out=64 kernel=3 pad=1"), 16);
}

TEST(PlanTables, refuse_what_the_policy_refuses) {
  const Network network = zoo("mobilenet-v2");
  const auto tables = PlanTables::make(network, {}, false);
  Policy policy = uniform_policy(network, 4, 4);
  tables->plan(policy);
  policy.layers[0].input_bits = 4;
  EXPECT_THROW(tables->plan(policy), InputError);
  policy = uniform_policy(network, 4, 4);
  policy.layers[3].weight_bits = 3;
  EXPECT_THROW(tables->plan(policy), InputError);
  policy.layers.pop_back();
  EXPECT_THROW(tables->plan(policy), InputError);
}

}  // namespace
}  // namespace bitloop::host
