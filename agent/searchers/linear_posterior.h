#pragma once

#include <Eigen/Dense>
#include <random>
#include <vector>

#include "agent/searchers/profile.h"

namespace bitloop::search {

/// What is believed of the loss of assignments: a sum of effects, each normal around a profile's mean, and
/// for every assignment a part of its own that no sum explains; updated exactly by observations (a Gaussian
/// process with an additive kernel; linear Thompson sampling draws from it: Agrawal and Goyal, ICML 2013).
class LinearPosterior {
 public:
  struct Noise {
    double base = 1;      ///< variance of the loss of the highest assignment
    double own = 0;       ///< of the part of its own
    double sampling = 0;  ///< of an observation, by its images
  };
  LinearPosterior(const Space& space, Effects prior, double base, const Noise& noise);

  /// Forgets what it was told before. `losses`: of these assignments.
  void observe(const std::vector<Assignment>& assignments, const std::vector<double>& losses);

  [[nodiscard]] std::vector<std::vector<double>> mean() const;
  /// A draw of the effects; the same numbers everywhere.
  [[nodiscard]] std::vector<std::vector<double>> draw(std::mt19937_64& random) const;
  /// Expected losses of the observed assignments, their own parts included.
  [[nodiscard]] std::vector<double> observed_means() const;

 private:
  [[nodiscard]] std::vector<std::vector<double>> updated(const std::vector<std::vector<double>>& effects,
                                                         const Eigen::VectorXd& residual) const;
  [[nodiscard]] double sum(const std::vector<std::vector<double>>& effects,
                           const Assignment& assignment) const;

  const Space& space_;
  Effects prior_;
  double base_;
  Noise noise_;
  std::vector<Assignment> assignments_;
  Eigen::VectorXd losses_;
  Eigen::MatrixXd kernel_;  ///< covariance of the sums of the observed
  Eigen::LLT<Eigen::MatrixXd> factor_;
};

/// A standard normal number by Box and Muller: std::normal_distribution differs from library to library.
double normal_number(std::mt19937_64& random);

}  // namespace bitloop::search
