#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "agent/solver/knapsack.h"

/// Knapsacks to solve: small random ones that can be searched exhaustively, and ones shaped like networks.
namespace bitloop::search {

/// A knapsack that owns what it refers to.
struct Instance {
  Space space{};
  LocalCosts costs{.exact = true};
  std::vector<std::vector<double>> effects{};
  double limit = 0;

  [[nodiscard]] Knapsack knapsack() const { return {space, costs, effects, limit}; }
  [[nodiscard]] double effect(const Assignment& assignment) const {
    double sum = 0;
    for (std::size_t d = 0; d < effects.size(); ++d) sum += effects[d][assignment[d]];
    return sum;
  }
};

inline int draw(std::mt19937_64& random, int least, int most) {
  return least + static_cast<int>(random() % static_cast<std::uint64_t>(most - least + 1));
}

/// Every assignment, in lexicographic order.
inline std::vector<Assignment> all_assignments(const Space& space) {
  std::vector<Assignment> all{{}};
  for (const Decision& decision : space.decisions) {
    std::vector<Assignment> longer;
    for (const Assignment& assignment : all) {
      for (int choice = 0; choice < decision.size(); ++choice) {
        longer.push_back(assignment);
        longer.back().push_back(choice);
      }
    }
    all = std::move(longer);
  }
  return all;
}

/// Up to `most` decisions of 1 to 4 choices, terms over any 1 to 3 of them, few distinct values so that ties
/// abound, and now and then masks, negative effects, decisions in no term and limits that nothing keeps.
inline Instance random_instance(std::mt19937_64& random, int most = 7) {
  Instance instance;
  const int decisions = draw(random, 1, most);
  for (int d = 0; d < decisions; ++d) {
    Decision decision{.name = fmt::format("d{}", d)};
    const int choices = draw(random, 1, 4);
    for (int c = 0; c < choices; ++c) decision.choices.push_back({fmt::format("{}", c + 1), c + 1.0});
    instance.space.decisions.push_back(decision);
    instance.effects.emplace_back();
    for (int c = 0; c < choices; ++c) instance.effects.back().push_back(draw(random, -2, 8));
  }
  instance.costs.constant = draw(random, 0, 5);
  for (int t = draw(random, 1, decisions + 1); t > 0; --t) {
    CostTerm term;
    std::size_t values = 1;
    for (int d = 0; d < decisions && term.scope.size() < 3; ++d) {
      if (draw(random, 0, 2) != 0) continue;
      term.scope.push_back(d);
      values *= static_cast<std::size_t>(instance.space.decisions[d].size());
    }
    for (std::size_t v = 0; v < values; ++v) term.values.push_back(draw(random, 0, 9));
    instance.costs.terms.push_back(term);
  }
  for (int m = decisions > 1 ? draw(random, 0, 2) : 0; m > 0; --m) {
    Mask mask{.first = draw(random, 0, decisions - 1)};
    mask.second = (mask.first + draw(random, 1, decisions - 1)) % decisions;
    const int pairs =
        instance.space.decisions[mask.first].size() * instance.space.decisions[mask.second].size();
    for (int p = 0; p < pairs; ++p) mask.allowed.push_back(draw(random, 0, 3) != 0);
    instance.space.masks.push_back(mask);
  }
  instance.limit =
      instance.costs.constant + draw(random, -1, 9 * static_cast<int>(instance.costs.terms.size()));
  return instance;
}

/// A layer of a network: its decisions' indices, its products of 8-bit codes, the words that it moves.
struct LayerShape {
  std::vector<int> scope;  ///< weights, input, output, where two tensors are joined the other
  double products;
  double words;
};

/// Effects and costs like a network's, drawn by `random`, for decisions of 1, 2, 4 and 8 bits.
class NetworkMaker {
 public:
  explicit NetworkMaker(std::uint64_t seed) : random_(seed) {}

  int decide(const std::string& name, const std::string& kind, double weight) {
    Decision decision{.name = name, .kind = kind};
    std::vector<double> effects;
    for (const double bits : kBits) {
      decision.choices.push_back({fmt::format("{}", bits), bits});
      const double noise = 0.5 + static_cast<double>(random_() >> 11) * 0x1p-53;
      effects.push_back(bits == 8 ? 0 : weight * noise * std::pow(4, -bits));
    }
    instance_.space.decisions.push_back(decision);
    instance_.effects.push_back(effects);
    return instance_.space.size() - 1;
  }
  void layer(const LayerShape& shape) { layers_.push_back(shape); }

  /// A term per layer: the longer of computing and moving words, a tenth of the shorter, and what loading the
  /// next layer's weights adds. `budget`: of the all-8-bit cost.
  Instance finish(double budget) {
    for (std::size_t i = 0; i < layers_.size(); ++i) add_term(i);
    instance_.limit = std::floor(budget * instance_.costs(instance_.space, instance_.space.highest()));
    return instance_;
  }

 private:
  static constexpr double kBits[] = {1, 2, 4, 8};

  void add_term(std::size_t i) {
    const LayerShape& shape = layers_[i];
    std::vector<int> scope = shape.scope;
    if (i + 1 < layers_.size()) scope.push_back(layers_[i + 1].scope[0]);
    std::ranges::sort(scope);
    scope.erase(std::ranges::unique(scope).begin(), scope.end());
    CostTerm term{.scope = scope};
    Assignment assignment(instance_.effects.size());
    for (int index = 0; index < 1 << (2 * scope.size()); ++index) {
      for (std::size_t d = 0; d < scope.size(); ++d)
        assignment[scope[d]] = (index >> (2 * (scope.size() - 1 - d))) % 4;
      term.values.push_back(cost(i, assignment));
    }
    instance_.costs.terms.push_back(term);
  }
  [[nodiscard]] double cost(std::size_t i, const Assignment& assignment) const {
    const LayerShape& shape = layers_[i];
    const auto bits = [&](int d) { return kBits[assignment[d]]; };
    const double compute = shape.products * bits(shape.scope[0]) * bits(shape.scope[1]) / 1024;
    double traffic = 0;
    for (std::size_t t = 1; t < shape.scope.size(); ++t) traffic += shape.words * bits(shape.scope[t]) / 64;
    if (i + 1 < layers_.size()) traffic += 288 * bits(layers_[i + 1].scope[0]);
    return std::floor(std::max(compute, traffic) + 0.1 * std::min(compute, traffic) + 90);
  }

  std::mt19937_64 random_;
  Instance instance_;
  std::vector<LayerShape> layers_;
};

/// A residual network of three stages: decisions are, in execution order, each layer's weights and each
/// tensor. Nine blocks are ResNet-20: 41 decisions, 22 terms of scope 3 to 5.
inline Instance residual_network(int blocks, double budget, std::uint64_t seed) {
  NetworkMaker maker(seed);
  const int stem = maker.decide("stem weights", "weight", 1);
  int stream = maker.decide("stem tensor", "activation", 1);
  maker.layer({{stem, stream}, 442368, 16384});
  for (int block = 0; block < blocks; ++block) {
    const int stage = block * 3 / blocks;
    const bool narrows = block > 0 && stage != (block - 1) * 3 / blocks;
    const std::string name = fmt::format("block{}", block);
    const double words = 16384 >> stage;
    const int first = maker.decide(name + ".conv1 weights", "weight", 1);
    const int middle = maker.decide(name + ".conv1 tensor", "activation", 0.5);
    maker.layer({{first, stream, middle}, narrows ? 1179648.0 : 2359296.0, words});
    const int second = maker.decide(name + ".conv2 weights", "weight", 1);
    const int shortcut = narrows ? maker.decide(name + ".shortcut weights", "weight", 0.3) : -1;
    const int sum = maker.decide(name + ".sum tensor", "activation", 1);
    maker.layer({{second, middle, sum, stream}, 2359296, words});
    if (narrows) maker.layer({{shortcut, stream, sum}, 131072, words});
    stream = sum;
  }
  maker.layer({{maker.decide("classifier weights", "weight", 1), stream}, 640, 10});
  return maker.finish(budget);
}

/// MobileNet-V2: 17 bottlenecks of three layers, most of them joined with their input; 105 decisions.
inline Instance mobile_network(double budget, std::uint64_t seed) {
  NetworkMaker maker(seed);
  int stream = -1;
  const auto layer = [&](const std::string& name, double products, double words, int joined = -1) {
    const int weights = maker.decide(name + " weights", "weight", 1);
    const int output = maker.decide(name + " tensor", "activation", 0.7);
    LayerShape shape{{weights}, products, words};
    for (const int tensor : {stream, output, joined})
      if (tensor >= 0) shape.scope.push_back(tensor);
    maker.layer(shape);
    stream = output;
  };
  layer("stem", 884736, 32768);
  for (int block = 0; block < 17; ++block) {
    const double scale = 1.0 / (1 + block / 4);
    const int joined = block % 4 == 0 ? -1 : stream;
    layer(fmt::format("block{}.expand", block), 900000 * scale, 40000 * scale);
    layer(fmt::format("block{}.depthwise", block), 300000 * scale, 50000 * scale);
    layer(fmt::format("block{}.project", block), 800000 * scale, 20000 * scale, joined);
  }
  maker.layer({{maker.decide("classifier weights", "weight", 1), stream}, 12800, 1280});
  return maker.finish(budget);
}

}  // namespace bitloop::search
