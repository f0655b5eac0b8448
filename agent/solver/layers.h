#pragma once

#include <vector>

#include "agent/space/costs.h"

namespace bitloop::search::solver {

/// One decision of a layered graph: from each state of the decisions before it, an arc for every choice.
///
/// A state is the choices of the decisions behind it that terms or masks ahead still ask for (its frontier).
struct Layer {
  int decision = 0;
  int choices = 0;
  int states = 1;              ///< before it
  std::vector<int> next{};     ///< [state][choice]: the state after it; kForbidden where a mask forbids it
  std::vector<double> cost{};  ///< [state][choice]: of the terms whose last decision this is
};
inline constexpr int kForbidden = -1;

/// Local costs unrolled along an order of the decisions: every assignment is a path from the only state
/// before the first layer to the only one after the last, and its cost is the sum over its arcs. Decisions
/// are taken in the space's order, or, where that has many arcs, in one that keeps frontiers small.
///
/// Throws InputError where terms tie so many decisions together that no order has less than some millions of
/// arcs.
std::vector<Layer> unroll(const Space& space, const LocalCosts& costs);

}  // namespace bitloop::search::solver
