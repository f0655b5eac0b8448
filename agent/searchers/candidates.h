#pragma once

#include <algorithm>
#include <random>

#include "agent/searchers/batch.h"

namespace bitloop::search {

/// Draws assignments that keep a problem's limit, with the same numbers everywhere: what a searcher by chance
/// is made of. A draw costs a dozen questions to the cost model, however many decisions there are.
class Candidates {
 public:
  Candidates(const Problem& problem, std::uint64_t seed);

  /// Every decision drawn uniformly, then projected; or settled.
  [[nodiscard]] Assignment random() { return projected(random_assignment(space_, random_)); }
  [[nodiscard]] Assignment near_limit() { return settled(random_assignment(space_, random_)); }
  /// One decision, drawn, gets another choice, drawn; not projected.
  [[nodiscard]] Assignment mutated(Assignment assignment);
  /// About as few single steps towards the cheapest assignment, in a drawn order, as the limit takes: the
  /// place in the order where the limit is first kept is bisected.
  [[nodiscard]] Assignment projected(Assignment assignment);
  /// Projected, then moved by single steps towards the highest, in a drawn order, while the limit is kept;
  /// where the highest keeps it, only projected.
  [[nodiscard]] Assignment settled(Assignment assignment);

  /// From now on this is the limit; one that nothing keeps is the cheapest assignment's cost.
  void lower_limit(double limit) { limit_ = std::max(limit, cost_(cheapest_)); }

  /// 0 to `count` - 1; and 0 to below 1.
  [[nodiscard]] int below(int count) {
    return static_cast<int>(random_() % static_cast<std::uint64_t>(count));
  }
  [[nodiscard]] double uniform() { return static_cast<double>(random_() >> 11) * 0x1p-53; }

 private:
  [[nodiscard]] bool keeps(const Assignment& assignment) const { return cost_(assignment) <= limit_; }
  /// Of the steps from `kept`, which keeps the limit, to `exceeding`, in a drawn order, about the last that
  /// does: the next one does not.
  [[nodiscard]] Assignment border(Assignment kept, const Assignment& exceeding);

  const Space& space_;
  CostOf cost_;
  double limit_;
  Assignment cheapest_;
  Assignment highest_;
  std::mt19937_64 random_;
};

}  // namespace bitloop::search
