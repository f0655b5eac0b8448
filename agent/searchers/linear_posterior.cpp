#include "agent/searchers/linear_posterior.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>

#include "agent/searchers/uniform_policies.h"
#include "agent/space/effects.h"
#include "agent/space/random.h"

namespace bitloop::search {
namespace {

/// Of the prior, whose size the answers say; of decisions few are much more sensitive than the others.
constexpr LinearPosterior::Doubt kDoubt{.all = 0.5, .kind = 0.3, .decision = 1, .base = 0.05};
constexpr double kOwnDoubt = 0.5;  ///< of an effect beside its decision's: widths are not all
constexpr double kOwnShare = 0.1;  ///< standard deviation of an assignment's own part, as a share of its rise

double square(double x) { return x * x; }

double sum_of(const std::vector<std::vector<double>>& effects, const Assignment& assignment) {
  double total = 0;
  for (std::size_t d = 0; d < assignment.size(); ++d) total += effects[d][assignment[d]];
  return total;
}

}  // namespace

LinearPosterior::LinearPosterior(const Space& space, Effects prior, double base, const Doubt& doubt)
    : space_(space), prior_(std::move(prior)), base_(base), doubt_(doubt) {
  std::map<std::string, int> numbers;
  for (const Decision& decision : space.decisions)
    kind_of_.push_back(numbers.try_emplace(decision.kind, static_cast<int>(numbers.size())).first->second);
  kinds_ = static_cast<int>(numbers.size());
}

LinearPosterior::Sums LinearPosterior::sums(const Assignment& assignment) const {
  Sums sums{std::vector<double>(static_cast<std::size_t>(kinds_)), 0};
  for (std::size_t d = 0; d < assignment.size(); ++d) {
    const double mean = prior_.mean[d][assignment[d]];
    sums.kinds[static_cast<std::size_t>(kind_of_[d])] += mean;
    sums.all += mean;
  }
  return sums;
}

double LinearPosterior::covariance(const Assignment& a, const Sums& a_sums, const Assignment& b,
                                   const Sums& b_sums) const {
  double shared = 0;
  double own = 0;
  for (std::size_t d = 0; d < a.size(); ++d) {
    shared += prior_.mean[d][a[d]] * prior_.mean[d][b[d]];
    if (a[d] == b[d]) own += prior_.variance[d][a[d]];
  }
  double kinds = 0;
  for (std::size_t k = 0; k < a_sums.kinds.size(); ++k) kinds += a_sums.kinds[k] * b_sums.kinds[k];
  return square(doubt_.base) + square(doubt_.all) * a_sums.all * b_sums.all + square(doubt_.kind) * kinds +
         square(doubt_.decision) * shared + own;
}

void LinearPosterior::observe(std::vector<Observation> observations) {
  observations_ = std::move(observations);
  sums_.clear();
  for (const Observation& o : observations_) sums_.push_back(sums(o.assignment));
  const auto n = static_cast<Eigen::Index>(observations_.size());
  kernel_.resize(n, n);
  Eigen::VectorXd noise(n);
  for (Eigen::Index i = 0; i < n; ++i) {
    for (Eigen::Index j = 0; j <= i; ++j) {
      kernel_(i, j) = kernel_(j, i) =
          covariance(observations_[i].assignment, sums_[i], observations_[j].assignment, sums_[j]);
    }
    noise[i] = observations_[i].own + observations_[i].sampling;
  }
  factor_.compute(kernel_ + Eigen::MatrixXd(noise.asDiagonal()));
}

std::vector<std::vector<double>> LinearPosterior::updated(const std::vector<std::vector<double>>& effects,
                                                          const Eigen::VectorXd& residual) const {
  const Eigen::VectorXd weights = factor_.solve(residual);
  std::vector<double> kinds(static_cast<std::size_t>(kinds_));
  double all = 0;
  for (std::size_t i = 0; i < observations_.size(); ++i) {
    const double weight = weights[static_cast<Eigen::Index>(i)];
    for (std::size_t k = 0; k < kinds.size(); ++k) kinds[k] += weight * sums_[i].kinds[k];
    all += weight * sums_[i].all;
  }
  auto result = effects;
  for (std::size_t d = 0; d < result.size(); ++d) {
    std::vector<double> own(result[d].size());
    double shared = 0;
    for (std::size_t i = 0; i < observations_.size(); ++i) {
      const double weight = weights[static_cast<Eigen::Index>(i)];
      const int choice = observations_[i].assignment[d];
      own[choice] += weight;
      shared += weight * prior_.mean[d][choice];
    }
    const double factor = square(doubt_.all) * all +
                          square(doubt_.kind) * kinds[static_cast<std::size_t>(kind_of_[d])] +
                          square(doubt_.decision) * shared;
    for (std::size_t c = 0; c < own.size(); ++c)
      result[d][c] += prior_.mean[d][c] * factor + prior_.variance[d][c] * own[c];
  }
  return result;
}

Eigen::VectorXd LinearPosterior::residual(const std::vector<std::vector<double>>& effects,
                                          double base) const {
  Eigen::VectorXd residual(static_cast<Eigen::Index>(observations_.size()));
  for (Eigen::Index i = 0; i < residual.size(); ++i)
    residual[i] = observations_[i].loss - base - sum_of(effects, observations_[i].assignment);
  return residual;
}

std::vector<std::vector<double>> LinearPosterior::mean() const {
  if (observations_.empty()) return prior_.mean;
  return updated(prior_.mean, residual(prior_.mean, base_));
}

std::vector<std::vector<double>> LinearPosterior::draw(std::mt19937_64& random) const {
  const double all = doubt_.all * normal_number(random);
  std::vector<double> kinds;
  for (int k = 0; k < kinds_; ++k) kinds.push_back(doubt_.kind * normal_number(random));
  auto effects = prior_.mean;
  for (std::size_t d = 0; d < effects.size(); ++d) {
    const double factor =
        1 + all + kinds[static_cast<std::size_t>(kind_of_[d])] + doubt_.decision * normal_number(random);
    for (std::size_t c = 0; c < effects[d].size(); ++c)
      effects[d][c] = factor * effects[d][c] + std::sqrt(prior_.variance[d][c]) * normal_number(random);
  }
  if (observations_.empty()) return effects;
  const double base = base_ + doubt_.base * normal_number(random);
  Eigen::VectorXd beyond = residual(effects, base);
  for (Eigen::Index i = 0; i < beyond.size(); ++i)
    beyond[i] -= std::sqrt(observations_[i].own + observations_[i].sampling) * normal_number(random);
  return updated(effects, beyond);
}

std::vector<double> LinearPosterior::observed_means() const {
  const Eigen::VectorXd beyond = residual(prior_.mean, base_);
  const Eigen::VectorXd weights = factor_.solve(beyond);
  Eigen::VectorXd means = kernel_ * weights;
  for (Eigen::Index i = 0; i < means.size(); ++i)
    means[i] += observations_[i].loss - beyond[i] + observations_[i].own * weights[i];
  return {means.data(), means.data() + means.size()};
}

double LinearPosterior::expected(const Assignment& assignment) const {
  double loss = base_ + sum_of(prior_.mean, assignment);
  if (observations_.empty()) return loss;
  const Eigen::VectorXd weights = factor_.solve(residual(prior_.mean, base_));
  const Sums own = sums(assignment);
  for (std::size_t i = 0; i < observations_.size(); ++i)
    loss += weights[static_cast<Eigen::Index>(i)] *
            covariance(observations_[i].assignment, sums_[i], assignment, own);
  return loss;
}

LinearPosterior belief_by_width(const Space& space, const std::vector<SeenLoss>& seen, double base) {
  const auto widths = effects_by_width(space);
  std::vector<double> ratios;
  for (const SeenLoss& s : seen) {
    const double width = sum_of(widths, s.assignment);
    if (width > 0) ratios.push_back(std::max(kLeastRise, s.loss - base) / width);
  }
  double scale = 1;
  if (!ratios.empty()) {
    const auto middle = ratios.begin() + static_cast<std::ptrdiff_t>(ratios.size() / 2);
    std::ranges::nth_element(ratios, middle);
    scale = *middle;
  }
  Effects prior{widths, widths};
  for (std::size_t d = 0; d < widths.size(); ++d) {
    for (std::size_t c = 0; c < widths[d].size(); ++c) {
      prior.mean[d][c] *= scale;
      prior.variance[d][c] = square(kOwnDoubt * prior.mean[d][c]);
    }
  }
  std::vector<LinearPosterior::Observation> observations;
  for (const SeenLoss& s : seen) {
    const double rise = std::max(kLeastRise, s.loss - base);
    observations.push_back({s.assignment, s.loss, square(kOwnShare * rise), rise_variance(rise, s.images)});
  }
  LinearPosterior posterior(space, std::move(prior), base, kDoubt);
  posterior.observe(std::move(observations));
  return posterior;
}

}  // namespace bitloop::search
