// A Gaussian process with expected improvement (Jones, Schonlau and Welch, Journal of Global Optimization 13,
// 1998; hyper-parameters by marginal likelihood as in Rasmussen and Williams: Gaussian Processes for Machine
// Learning, 2006, 5.4). Its kernel is a mixture of the share of equal decisions, which is a sum of effects,
// and of an exponential of the Hamming distance; each observation has the noise of its images.
// It learns the logarithm of the loss, whose bad end is long.

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <numbers>

#include "agent/searchers/proposer.h"

namespace bitloop::search {

extern const Method gp_method;

namespace {

constexpr std::size_t kFirst = 6;       ///< evaluations near the limit at random before it learns
constexpr std::size_t kMost = 200;      ///< observations, those with the least loss: bounds its time
constexpr double kNoisePerImage = 0.5;  ///< variance of a loss, as a share of what it exceeds the least by
constexpr double kLeastLoss = 1e-3;
constexpr double kLeastNoise = 1e-4;              ///< of the losses' variance
constexpr double kAdditive[] = {0.5, 0.8, 0.95};  ///< the grid: share of the additive part
constexpr double kLengths[] = {0.1, 0.3, 1};  ///< the grid: of the exponential, in shares of the decisions

/// A Gaussian process on assignments.
class Process {
 public:
  struct Shape {
    double additive = 0.8;
    double length = 0.3;
  };

  Process(const std::vector<Assignment>& inputs, const Eigen::VectorXd& outputs, const Eigen::VectorXd& noise,
          const Shape& shape)
      : inputs_(inputs) {
    const auto decisions = static_cast<int>(inputs.front().size());
    for (int distance = 0; distance <= decisions; ++distance) {
      const double share = static_cast<double>(distance) / decisions;
      by_distance_.push_back(shape.additive * (1 - share) +
                             (1 - shape.additive) * std::exp(-share / shape.length));
    }
    const Eigen::Index n = outputs.size();
    Eigen::MatrixXd kernel(n, n);
    for (Eigen::Index i = 0; i < n; ++i) kernel.col(i) = covariance(inputs[static_cast<std::size_t>(i)]);
    mean_ = outputs.mean();
    scale_ = (outputs.array() - mean_).square().mean();
    factor_.compute(kernel + Eigen::MatrixXd((noise / scale_).asDiagonal()));
    const Eigen::VectorXd centred = outputs.array() - mean_;
    weights_ = factor_.solve(centred);
    scale_ = centred.dot(weights_) / static_cast<double>(n);
    likelihood_ =
        -0.5 * static_cast<double>(n) * std::log(scale_) - factor_.matrixLLT().diagonal().array().log().sum();
    fitted_ = (kernel * weights_).array() + mean_;
  }

  [[nodiscard]] double likelihood() const { return likelihood_; }
  /// The least mean of the observed.
  [[nodiscard]] double least() const { return fitted_.minCoeff(); }
  struct Prediction {
    double mean = 0;
    double deviation = 0;
  };
  [[nodiscard]] Prediction operator()(const Assignment& assignment) const {
    const Eigen::VectorXd k = covariance(assignment);
    const double explained = factor_.matrixL().solve(k).squaredNorm();
    return {mean_ + k.dot(weights_), std::sqrt(scale_ * std::max(1e-12, by_distance_[0] - explained))};
  }

 private:
  [[nodiscard]] Eigen::VectorXd covariance(const Assignment& assignment) const {
    Eigen::VectorXd result(static_cast<Eigen::Index>(inputs_.size()));
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      std::size_t distance = 0;
      for (std::size_t d = 0; d < assignment.size(); ++d) distance += inputs_[i][d] != assignment[d] ? 1 : 0;
      result[static_cast<Eigen::Index>(i)] = by_distance_[distance];
    }
    return result;
  }

  std::vector<Assignment> inputs_;
  std::vector<double> by_distance_;  ///< kernel by Hamming distance
  Eigen::LLT<Eigen::MatrixXd> factor_;
  Eigen::VectorXd weights_, fitted_;
  double mean_ = 0, scale_ = 1, likelihood_ = 0;
};

double expected_improvement(const Process::Prediction& at, double least) {
  const double z = (least - at.mean) / at.deviation;
  const double density = std::exp(-z * z / 2) / std::sqrt(2 * std::numbers::pi);
  const double below = 0.5 * std::erfc(-z / std::numbers::sqrt2);
  return at.deviation * (z * below + density);
}

class Gp : public Proposer {
 public:
  Gp(const Problem& problem, const SearcherOptions& options) : Proposer(gp_method, problem, options) {}

 private:
  Assignment propose() override {
    if (inputs_.size() < kFirst) return candidates().near_limit();
    const Process process(inputs_, outputs(), noise(), shape_);
    const double least = process.least();
    Assignment best = lowest([&](const Assignment& a) { return -expected_improvement(process(a), least); });
    // The rest of a batch believes what this one expects.
    inputs_.push_back(best);
    losses_.push_back(process(best).mean);
    return best;
  }

  void learn() override {
    inputs_.clear();
    losses_.clear();
    for (const std::size_t i : by_loss()) {
      if (inputs_.size() == kMost) break;
      inputs_.push_back(answers()[i].query.assignment);
      losses_.push_back(std::log(std::max(kLeastLoss, answers()[i].loss())));
    }
    if (inputs_.size() < kFirst) return;
    double most = -INFINITY;
    Process::Shape best;
    for (const double additive : kAdditive) {
      for (const double length : kLengths) {
        const double likelihood =
            Process(inputs_, outputs(), noise(), {.additive = additive, .length = length}).likelihood();
        if (!(likelihood > most)) continue;
        most = likelihood;
        best = {.additive = additive, .length = length};
      }
    }
    shape_ = best;
  }

  [[nodiscard]] Eigen::VectorXd outputs() const {
    return Eigen::Map<const Eigen::VectorXd>(losses_.data(), static_cast<Eigen::Index>(losses_.size()));
  }
  [[nodiscard]] Eigen::VectorXd noise() const {
    const Eigen::ArrayXd losses = outputs();
    const double spread = std::max(1e-12, (losses - losses.mean()).square().mean());
    const int images = std::max(1, answers().front().images());
    const Eigen::ArrayXd share = 1 - (losses.minCoeff() - losses).exp();  // above the least
    return (kNoisePerImage / images * share / losses.exp()).max(kLeastNoise * spread);
  }

  std::vector<Assignment> inputs_;
  std::vector<double> losses_;  ///< logarithms
  Process::Shape shape_;
};

}  // namespace

const Method gp_method{.name = "gp",
                       .about = "Gaussian process (additive and Hamming kernel), expected improvement",
                       .batch = 1,
                       .make = make_proposer<Gp>};

}  // namespace bitloop::search
