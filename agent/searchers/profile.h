#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "agent/space/searcher.h"

namespace bitloop::search {

/// One-at-a-time losses: probes of the highest assignment and of those one decision away from it.
class Profile {
 public:
  /// `share`: of `evaluations`, the most that its probes may cost. Where not all fit, first each decision's
  /// choice nearest to 2 bits is asked, then that of 4, then the others; where not even the first do, none.
  Profile(const Problem& problem, double evaluations, double share);

  /// All probes; none where there are none, or too few can be paid.
  [[nodiscard]] const std::vector<Query>& queries() const { return queries_; }
  void tell(std::span<const Answer> answers);
  /// Says, where not all probes fit, what they would cost and how many are asked; else empty.
  [[nodiscard]] const std::string& note() const { return note_; }

  /// Measured rises of the loss as they are; unmeasured ones from `effects_by_width`, scaled to the measured
  /// ones of their kind. Made monotone: fewer bits never add less.
  [[nodiscard]] std::vector<std::vector<double>> raw() const;
  /// What is believed of the effects once the probes are known, on a prior by width (linear_posterior.h),
  /// made monotone: single probes are noisy, and the best of many noisy ones is too good to be true.
  [[nodiscard]] std::vector<std::vector<double>> believed() const;

 private:
  [[nodiscard]] std::vector<std::vector<std::optional<double>>> rises() const;
  const Space& space_;
  std::vector<Query> queries_;
  std::string note_;
  std::vector<std::vector<std::optional<double>>> losses_;  ///< by decision and choice
  double highest_loss_ = 0;
  int images_ = 1;  ///< of each probe
};

}  // namespace bitloop::search
