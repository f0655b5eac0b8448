#include "agent/searchers/linear_posterior.h"

#include <cmath>
#include <numbers>
#include <utility>

namespace bitloop::search {

double normal_number(std::mt19937_64& random) {
  const auto uniform = [&] { return (static_cast<double>(random() >> 11) + 0.5) * 0x1p-53; };
  const double radius = std::sqrt(-2 * std::log(uniform()));
  return radius * std::cos(2 * std::numbers::pi * uniform());
}

LinearPosterior::LinearPosterior(const Space& space, Effects prior, double base, const Noise& noise)
    : space_(space), prior_(std::move(prior)), base_(base), noise_(noise) {}

double LinearPosterior::sum(const std::vector<std::vector<double>>& effects,
                            const Assignment& assignment) const {
  double total = 0;
  for (std::size_t d = 0; d < assignment.size(); ++d) total += effects[d][assignment[d]];
  return total;
}

void LinearPosterior::observe(const std::vector<Assignment>& assignments, const std::vector<double>& losses) {
  assignments_ = assignments;
  const auto n = static_cast<Eigen::Index>(assignments.size());
  losses_ = Eigen::Map<const Eigen::VectorXd>(losses.data(), n);
  kernel_.resize(n, n);
  for (Eigen::Index i = 0; i < n; ++i) {
    for (Eigen::Index j = 0; j <= i; ++j) {
      double covariance = noise_.base;
      for (std::size_t d = 0; d < assignments[i].size(); ++d) {
        if (assignments[i][d] == assignments[j][d]) covariance += prior_.variance[d][assignments[i][d]];
      }
      kernel_(i, j) = kernel_(j, i) = covariance;
    }
  }
  factor_.compute(kernel_ + (noise_.own + noise_.sampling) * Eigen::MatrixXd::Identity(n, n));
}

/// Effects moved by what observations say beyond them: Matheron's rule.
std::vector<std::vector<double>> LinearPosterior::updated(const std::vector<std::vector<double>>& effects,
                                                          const Eigen::VectorXd& residual) const {
  const Eigen::VectorXd weights = factor_.solve(residual);
  auto result = effects;
  for (std::size_t i = 0; i < assignments_.size(); ++i) {
    for (std::size_t d = 0; d < result.size(); ++d) {
      const int choice = assignments_[i][d];
      result[d][choice] += prior_.variance[d][choice] * weights[static_cast<Eigen::Index>(i)];
    }
  }
  return result;
}

std::vector<std::vector<double>> LinearPosterior::mean() const {
  if (assignments_.empty()) return prior_.mean;
  Eigen::VectorXd residual = losses_;
  for (Eigen::Index i = 0; i < residual.size(); ++i) residual[i] -= base_ + sum(prior_.mean, assignments_[i]);
  return updated(prior_.mean, residual);
}

std::vector<std::vector<double>> LinearPosterior::draw(std::mt19937_64& random) const {
  auto effects = prior_.mean;
  for (std::size_t d = 0; d < effects.size(); ++d) {
    for (std::size_t c = 0; c < effects[d].size(); ++c)
      effects[d][c] += std::sqrt(prior_.variance[d][c]) * normal_number(random);
  }
  if (assignments_.empty()) return effects;
  const double base = base_ + std::sqrt(noise_.base) * normal_number(random);
  const double noise = std::sqrt(noise_.own + noise_.sampling);
  Eigen::VectorXd residual = losses_;
  for (Eigen::Index i = 0; i < residual.size(); ++i)
    residual[i] -= base + sum(effects, assignments_[i]) + noise * normal_number(random);
  return updated(effects, residual);
}

std::vector<double> LinearPosterior::observed_means() const {
  Eigen::VectorXd prior(losses_.size());
  for (Eigen::Index i = 0; i < prior.size(); ++i) prior[i] = base_ + sum(prior_.mean, assignments_[i]);
  const Eigen::VectorXd weights = factor_.solve(losses_ - prior);
  const Eigen::VectorXd means = prior + kernel_ * weights + noise_.own * weights;
  return {means.data(), means.data() + means.size()};
}

}  // namespace bitloop::search
