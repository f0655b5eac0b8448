#pragma once

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <random>
#include <string>

#include "agent/environment/environment.h"
#include "agent/evaluation/cycle_meter.h"
#include "agent/evaluation/evaluator.h"
#include "host/base/error.h"
#include "host/network/network.h"

// Stand-ins for hardware and training, for tests only.
namespace bitloop::agent::test {

/// image -> conv1 -> pool -> conv2 -> fc1 -> fc2: tensors a (pooled to b), c, d, result.
inline host::Network small_network() {
  host::Network n;
  n.name = "small";
  n.tensors = {{"image", {1, 8, 8}}, {"a", {4, 8, 8}},  {"b", {4, 4, 4}},
               {"c", {8, 4, 4}},     {"d", {16, 1, 1}}, {"result", {10, 1, 1}}};
  using host::Layer;
  using host::LayerKind;
  const auto layer = [](const char* name, LayerKind kind, int input, int output, int kernel, int pad) {
    Layer l;
    l.name = name;
    l.kind = kind;
    l.inputs = {input};
    l.output = output;
    l.kernel_height = l.kernel_width = kernel;
    l.pad = pad;
    return l;
  };
  n.layers = {layer("conv1", LayerKind::conv, 0, 1, 3, 1), layer("pool1", LayerKind::max_pool, 1, 2, 2, 0),
              layer("conv2", LayerKind::conv, 2, 3, 3, 1), layer("fc1", LayerKind::linear, 3, 4, 1, 0),
              layer("fc2", LayerKind::linear, 4, 5, 1, 0)};
  n.layers[1].stride = 2;
  n.input = 0;
  n.outputs = {5};
  return n;
}

/// Cycles by a formula: the sum over layers of weight bits times input bits.
class ProductCycles : public CycleSource {
 public:
  host::Cycles cycles(const host::Policy& policy) override {
    ++asked;
    host::Cycles sum = 0;
    for (const auto& layer : policy.layers)
      sum += static_cast<host::Cycles>(layer.weight_bits * layer.input_bits);
    return sum;
  }
  int asked = 0;
};

/// Random cycles per layer and pair, neither monotone nor free of plateaus, plus a random part per
/// neighbouring pair.
class RandomCycles : public CycleSource {
 public:
  explicit RandomCycles(std::uint64_t seed) : seed_(seed) {}
  host::Cycles cycles(const host::Policy& policy) override {
    ++asked;
    host::Cycles sum = 1000;
    int previous = 8;
    for (std::size_t i = 0; i < policy.layers.size(); ++i) {
      const auto& layer = policy.layers[i];
      std::seed_seq sequence{
          seed_, static_cast<std::uint64_t>(i), static_cast<std::uint64_t>(layer.weight_bits),
          static_cast<std::uint64_t>(layer.input_bits), static_cast<std::uint64_t>(previous)};
      std::mt19937 random(sequence);
      // Coarse steps make plateaus; the random part makes lower bits dearer at times.
      const auto base = static_cast<host::Cycles>(layer.weight_bits * layer.input_bits / 8 * 100);
      sum += base + random() % 5 * 100;
      previous = layer.input_bits;
    }
    return sum;
  }
  long asked = 0;

 private:
  std::uint64_t seed_;
};

/// Accuracy by a formula with a twist that a layer's neighbours matter; counts and can stop at an evaluation.
class FormulaEvaluator : public Evaluator {
 public:
  FormulaEvaluator(CycleSource& source, double reference) : source_(source), reference_(reference) {}

  std::vector<Outcome> evaluate(std::span<const host::Policy> policies) override {
    std::vector<Outcome> outcomes;
    for (const auto& policy : policies) {
      if (evaluations == fail_after) throw Error("killed in the middle");
      ++evaluations;
      double loss = 0;
      for (std::size_t i = 0; i < policy.layers.size(); ++i) {
        const auto& layer = policy.layers[i];
        // Early layers need their inputs, late ones their weights.
        const double early = 1.0 / static_cast<double>(i + 1);
        loss += early * 0.08 / layer.input_bits + (1 - early) * 0.02 / layer.weight_bits;
      }
      Outcome outcome{.accuracy = 0.9 - loss, .loss = loss, .cycles = source_.cycles(policy)};
      outcome.cost_ratio = static_cast<double>(outcome.cycles) / reference_;
      outcome.seconds = 0.001 * evaluations;
      outcomes.push_back(outcome);
    }
    return outcomes;
  }
  int evaluations = 0;
  int fail_after = -1;

 private:
  CycleSource& source_;
  double reference_;
};

/// A folder that is removed at the end of a test.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    static std::atomic<int> count{0};
    path = std::filesystem::temp_directory_path() /
           ("bitloop_agent_test_" + std::to_string(::getpid()) + "_" + std::to_string(count++));
    std::filesystem::create_directories(path);
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::filesystem::path path;
};

}  // namespace bitloop::agent::test
