#include "quant/reference/code_memory.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "host/network/network.h"
#include "quant/reference/integer_reference.h"
#include "quant/reference/plan.h"
#include "quant/retraining/quantizer.h"
#include "tests/quant/fixtures.h"

namespace bitloop::quant {
namespace {

CodeMemory::Entry entry_of(std::size_t bytes) { return {.codes = std::vector<std::uint8_t>(bytes, 7)}; }

TEST(CodeMemory, keeps_what_was_wished_twice_within_its_bytes_the_last_used_longest) {
  CodeMemory memory(100);
  EXPECT_FALSE(memory.wants("a", 40));
  EXPECT_TRUE(memory.wants("a", 40));
  EXPECT_FALSE(memory.wants("huge", 101) || memory.wants("huge", 101));
  memory.keep("a", entry_of(40));
  EXPECT_FALSE(memory.wants("a", 40));  // it is there
  memory.keep("b", entry_of(40));
  ASSERT_NE(memory.find("a"), nullptr);
  memory.keep("c", entry_of(40));
  EXPECT_EQ(memory.find("b"), nullptr);
  ASSERT_NE(memory.find("a"), nullptr);
  EXPECT_EQ(memory.find("a")->codes.size(), 40U);
  EXPECT_EQ(memory.bytes(), 80U);
}

TEST(CarriesAll, only_where_nothing_passes_by) {
  const host::Network network = host::zoo_network("resnet20");
  const std::vector<Step> steps = plan(network, /*fuse_pools=*/true);
  const std::vector<bool> carries = carries_all(network, steps);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    bool expected = i + 1 < steps.size();
    for (std::size_t j = i + 1; j < steps.size(); ++j)
      for (const int input : layer_of(steps[j]).inputs) {
        bool later = false;
        for (std::size_t k = i + 1; k < j; ++k) later = later || steps[k].output == input;
        expected = expected && (later || input == steps[i].output);
      }
    EXPECT_EQ(carries[i], expected) << layer_of(steps[i]).name;
  }
  EXPECT_EQ(std::ranges::count(carries, true), 11);  // the stem, nine blocks, the pool
}

/// Neighbours of w8a8: each weight of a few layers, and an activation, changed alone.
std::vector<host::Policy> neighbours(const host::Network& network) {
  const host::Policy base = host::uniform_policy(network, 8, 8);
  std::vector<host::Policy> policies{base};
  for (const std::size_t layer : {20U, 13U, 5U, 13U, 1U, 17U}) {
    policies.push_back(base);
    policies.back().layers[layer].weight_bits = 2;
  }
  policies.push_back(host::uniform_policy(network, 8, 4));
  policies.push_back(base);
  return policies;
}

void expect_same(const QuantizedModel& a, const QuantizedModel& b, const std::string& where) {
  for (std::size_t i = 0; i < a.integers.layers.size(); ++i) {
    ASSERT_EQ(a.integers.layers[i].weights, b.integers.layers[i].weights) << where << i;
    ASSERT_EQ(a.integers.layers[i].requantization, b.integers.layers[i].requantization) << where << i;
  }
}

TEST(CodeMemory, changes_no_bit_of_statistics_or_results_and_stays_within_its_bytes) {
  const host::Network network = host::zoo_network("resnet20");
  Dataset data;
  data.name = data.spec = data.split_hash = "noise";
  data.shape = {3, 32, 32};
  data.mean = {0.5F, 0.5F, 0.5F};
  data.deviation = {0.25F, 0.25F, 0.25F};
  for (Split* split : {&data.train, &data.reward, &data.test}) {
    split->pixels = random_bytes(3072 * 24, static_cast<std::uint64_t>(split - &data.train));
    split->labels.assign(24, 3);
  }
  const Quantizer quantizer(network, FloatCheckpoint::untrained(network, data, 5), data);
  const Retraining options{.epochs = 0, .clipping = "max"};
  for (const std::size_t most : {CodeMemory::kMostBytes, std::size_t{1} << 20U}) {
    CodeMemory memory(most);
    std::size_t held = 0;
    for (const host::Policy& policy : neighbours(network)) {
      const QuantizedModel alone = quantizer.quantize(policy, options);
      const QuantizedModel shared = quantizer.quantize(policy, options, {}, &memory);
      expect_same(shared, alone, policy.key());
      const IntegerReference reference(alone.integers);
      const Accuracy expected = reference.accuracy(data.reward, 1e-3);
      EXPECT_EQ(reference.accuracy(data.reward, 1e-3, /*threads=*/1, &memory).loss, expected.loss);
      EXPECT_EQ(reference.accuracy(data.reward, 1e-3, /*threads=*/3, &memory).loss, expected.loss);
      const std::vector<std::size_t> chosen{2, 0};
      EXPECT_EQ(reference.fold_accuracies(data.reward, 1e-3, 3, chosen, 1, &memory),
                reference.fold_accuracies(data.reward, 1e-3, 3, chosen));
      held = std::max(held, memory.bytes());
      ASSERT_LE(memory.bytes(), most);
    }
    EXPECT_GT(held, 0U);
  }
}

}  // namespace
}  // namespace bitloop::quant
