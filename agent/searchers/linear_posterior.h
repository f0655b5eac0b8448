#pragma once

#include <Eigen/Dense>
#include <random>
#include <vector>

#include "agent/space/space.h"

namespace bitloop::search {

/// What every choice of every decision adds to the loss of the highest assignment: what is expected, and the
/// variance of what is each choice's own. Zero at the highest choice.
struct Effects {
  std::vector<std::vector<double>> mean;
  std::vector<std::vector<double>> variance;
};

/// What is believed of the loss of assignments: that of the highest plus a sum of effects, and for every
/// assignment a part of its own that no sum explains; updated exactly by observations (a Gaussian process
/// with an additive kernel; linear Thompson sampling draws from it: Agrawal and Goyal, ICML 2013).
///
/// An effect is its prior mean times a sum of factors, 1 and normal ones that it shares: with all effects,
/// with those of its kind, with its decision's other choices; plus a normal part of its own. So what one
/// choice turns out to add says something of the others of its decision, and every evaluation of the size of
/// all.
class LinearPosterior {
 public:
  /// Standard deviations, of factors.
  struct Doubt {
    double all = 0;
    double kind = 0;
    double decision = 0;
    double base = 0;  ///< of the loss of the highest assignment
  };
  struct Observation {
    Assignment assignment;
    double loss = 0;
    double own = 0;       ///< variance of the part of its own
    double sampling = 0;  ///< variance by the images that it was taken on
  };
  LinearPosterior(const Space& space, Effects prior, double base, const Doubt& doubt);

  /// Forgets what it was told before.
  void observe(std::vector<Observation> observations);

  [[nodiscard]] std::vector<std::vector<double>> mean() const;
  /// A draw of the effects; the same numbers everywhere.
  [[nodiscard]] std::vector<std::vector<double>> draw(std::mt19937_64& random) const;
  /// Expected losses of the observed assignments, their own parts included.
  [[nodiscard]] std::vector<double> observed_means() const;
  /// Expected loss of any assignment.
  [[nodiscard]] double expected(const Assignment& assignment) const;

 private:
  /// Sums of the prior means by kind, and of all.
  struct Sums {
    std::vector<double> kinds;
    double all = 0;
  };
  [[nodiscard]] Sums sums(const Assignment& assignment) const;
  [[nodiscard]] double covariance(const Assignment& a, const Sums& a_sums, const Assignment& b,
                                  const Sums& b_sums) const;
  /// Effects, and the loss of the highest, moved by what observations say beyond them: Matheron's rule.
  [[nodiscard]] std::vector<std::vector<double>> updated(const std::vector<std::vector<double>>& effects,
                                                         const Eigen::VectorXd& residual) const;
  [[nodiscard]] Eigen::VectorXd residual(const std::vector<std::vector<double>>& effects, double base) const;

  const Space& space_;
  Effects prior_;
  double base_;
  Doubt doubt_;
  std::vector<int> kind_of_;  ///< by decision
  int kinds_ = 0;
  std::vector<Observation> observations_;
  std::vector<Sums> sums_;  ///< of the observed
  Eigen::MatrixXd kernel_;  ///< covariance of the sums of the observed
  Eigen::LLT<Eigen::MatrixXd> factor_;
};

/// The loss of an assignment on so many images.
struct SeenLoss {
  Assignment assignment;
  double loss = 0;
  int images = 0;
};
/// What is believed once these were seen, on a prior by width alone: 4^-bits, in the median size that rises
/// above `base`, the highest assignment's loss, have of it. `ours` says where its doubts come from.
LinearPosterior belief_by_width(const Space& space, const std::vector<SeenLoss>& seen, double base);

}  // namespace bitloop::search
