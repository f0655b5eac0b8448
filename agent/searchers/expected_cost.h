#pragma once

#include <utility>

#include "agent/space/costs.h"
#include "agent/space/supernet.h"

namespace bitloop::search {

/// The cost that is expected where every decision draws its choice by its shares: per local term, of each
/// choice of its scope the value times the product of the shares. Exact where the local terms are.
class ExpectedCost {
 public:
  explicit ExpectedCost(LocalCosts costs) : costs_(std::move(costs)) {}

  struct Value {
    double cost = 0;
    Mixture gradient;  ///< by each share, by itself
  };
  [[nodiscard]] Value operator()(const Mixture& mixture) const;

 private:
  LocalCosts costs_;
};

}  // namespace bitloop::search
