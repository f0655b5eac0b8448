#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "agent/space/searcher.h"

namespace bitloop::search {

/// What every choice of every decision adds to the loss of the highest assignment: a mean and a variance of
/// what is known about it. Zero at the highest choice.
struct Effects {
  std::vector<std::vector<double>> mean;
  std::vector<std::vector<double>> variance;
};

/// One-at-a-time losses: probes of the highest assignment and of those one decision away from it.
class Profile {
 public:
  /// `share`: of `evaluations`, the most that its probes may cost. Where not all fit, first each decision's
  /// choice nearest to 2 bits is asked, then that of 4, then the others; where not even the first do, none.
  Profile(const Problem& problem, double evaluations, double share);

  /// All probes; none where there are none, or too few can be paid.
  [[nodiscard]] const std::vector<Query>& queries() const { return queries_; }
  void tell(std::span<const Answer> answers);

  /// Measured rises of the loss as they are; unmeasured ones from `effects_by_width`, scaled to the measured
  /// ones of their kind. Made monotone: fewer bits never add less.
  [[nodiscard]] std::vector<std::vector<double>> raw() const;
  /// The same shrunk by empirical Bayes towards the median of decisions of the same kind and bits, as far as
  /// the noise of the probes explains their distance from it.
  [[nodiscard]] Effects shrunk() const;
  [[nodiscard]] double highest_loss() const { return highest_loss_; }

 private:
  [[nodiscard]] std::vector<std::vector<std::optional<double>>> rises() const;
  [[nodiscard]] std::map<std::string, double> probe_noise(
      const std::vector<std::vector<std::optional<double>>>& measured) const;

  const Space& space_;
  std::vector<Query> queries_;
  std::vector<std::vector<std::optional<double>>> losses_;  ///< by decision and choice
  double highest_loss_ = 0;
  int images_ = 0;
};

/// Fewer bits add at least as much: pools neighbours that do not (Ayer et al. 1955), the highest choice is 0.
void make_monotone(std::vector<double>& effects);

}  // namespace bitloop::search
