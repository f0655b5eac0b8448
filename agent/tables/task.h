#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/space/searcher.h"

namespace bitloop::search {

/// What methods are compared on: a space with its costs and its evaluator.
class Task {
 public:
  virtual ~Task() = default;
  [[nodiscard]] virtual const std::string& name() const = 0;
  [[nodiscard]] virtual const Space& space() const = 0;
  [[nodiscard]] virtual CostModel& costs() = 0;
  /// An evaluator of which `seed` draws the images: it shuffles the reward folds, of which the first are for
  /// full evaluations and those behind for checks. Any thread may call, and use what it got.
  virtual std::unique_ptr<Evaluator> evaluator(std::uint64_t seed) = 0;
  /// For searchers that train the network's weights; empty where there is none.
  [[nodiscard]] virtual MakeSupernet supernet() { return {}; }
  /// For searchers that look at the float network; empty where there is none.
  [[nodiscard]] virtual MeasureFloatEffects float_effects() { return {}; }
  /// Accuracy on images that no search sees.
  virtual double test_accuracy(const Assignment& assignment) = 0;
};

/// Folds 0 to `folds` - 1 in an order that `seed` draws, the same everywhere.
std::vector<std::size_t> shuffled_folds(int folds, std::uint64_t seed);

}  // namespace bitloop::search
