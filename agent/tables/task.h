#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "agent/space/searcher.h"

namespace bitloop::search {

/// What methods are compared on: a space with its costs and its evaluator.
class Task {
 public:
  virtual ~Task() = default;
  [[nodiscard]] virtual const std::string& name() const = 0;
  [[nodiscard]] virtual const Space& space() const = 0;
  [[nodiscard]] virtual CostModel& costs() = 0;
  /// An evaluator of which `seed` draws the images: half of the reward folds, the others are for `check`.
  virtual std::unique_ptr<Evaluator> evaluator(std::uint64_t seed) = 0;
  /// Accuracy on images that no search sees.
  virtual double test_accuracy(const Assignment& assignment) = 0;
};

/// Of `folds` folds those that `seed` draws for searching: half, rounded up; ascending.
std::vector<int> drawn_folds(int folds, std::uint64_t seed);

}  // namespace bitloop::search
