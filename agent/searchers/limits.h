#pragma once

#include <functional>

#include "agent/space/searcher.h"

namespace bitloop::search {

/// Number `index` (from 1) of a sequence that fills 0 to 1 evenly: the middle, the quarters, and so on; 0 for
/// index 0.
double van_der_corput(int index);

/// Limits of cost between that of a problem's cheapest assignment and its own, for goals that look for more
/// than the most accurate one at it.
class Limits {
 public:
  explicit Limits(const Problem& problem);

  /// Of number `index` of a sequence that fills the range evenly, from its own limit on (van der Corput).
  [[nodiscard]] double spread(int index) const;
  /// About the least limit that is `enough`, by bisection; its own where none below it is.
  [[nodiscard]] double least(const std::function<bool(double)>& enough) const;
  [[nodiscard]] double lowest() const { return lowest_; }

 private:
  double lowest_;
  double highest_;
};

}  // namespace bitloop::search
