// The posterior-sampled exact solver: a cheap profile of the loss, shrunk by empirical Bayes; a Bayesian
// linear update from each evaluation; each proposal the exact knapsack solution of the posterior's mean or of
// a draw from it (linear Thompson sampling: Agrawal and Goyal 2013). The best uniform policies moved into the
// budget come first, so that it never loses to them.

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <set>

#include "agent/searchers/batch.h"
#include "agent/searchers/linear_posterior.h"
#include "agent/searchers/uniform_policies.h"

namespace bitloop::search {

extern const Method ours_method;

namespace {

constexpr double kProfileShare = 0.5;  ///< of the evaluations, the most that the profile may cost
constexpr int kUniformFirst = 4;       ///< projected uniform policies among the first proposals
constexpr double kPriorLoss = 0.5;     ///< without a profile: what 2 bits everywhere add to the loss
constexpr int kDraws = 4;              ///< from the posterior, for a proposal that is new
constexpr double kOwnNoise =
    0.5;  ///< share of an accuracy's variance that is not common to all on the same images
constexpr double kOwnShare =
    0.05;  ///< standard deviation of an assignment's own part, as a share of its rise

/// Accuracies given losses, by a line through both and the observed distance from it, shrunk by its noise.
std::vector<double> expected_accuracies(const std::vector<double>& losses,
                                        const std::vector<double>& accuracies, int images) {
  const auto n = static_cast<double>(losses.size());
  const auto mean = [&](const std::vector<double>& values) {
    return std::accumulate(values.begin(), values.end(), 0.0) / n;
  };
  const double loss = mean(losses);
  const double accuracy = mean(accuracies);
  double both = 0;
  double square = 0;
  for (std::size_t i = 0; i < losses.size(); ++i) {
    both += (losses[i] - loss) * (accuracies[i] - accuracy);
    square += (losses[i] - loss) * (losses[i] - loss);
  }
  const double slope = square > 0 ? std::min(0.0, both / square) : 0;
  double spread = 0;
  std::vector<double> line;
  for (std::size_t i = 0; i < losses.size(); ++i) {
    line.push_back(accuracy + slope * (losses[i] - loss));
    spread += std::pow(accuracies[i] - line.back(), 2) / n;
  }
  // Assignments are judged on the same images: of the noise of one accuracy a part is common to all.
  const double noise = kOwnNoise * accuracy * (1 - accuracy) / images;
  const double weight = spread > noise ? 1 - noise / spread : 0;
  for (std::size_t i = 0; i < line.size(); ++i) line[i] += weight * (accuracies[i] - line[i]);
  return line;
}

class Ours : public Searcher {
 public:
  Ours(const Problem& problem, const SearcherOptions& options)
      : problem_(problem),
        ground_(problem),
        profile_(problem, options.evaluations, kProfileShare),
        batch_(batch_of(ours_method, options)),
        random_(options.seed) {
    uniform_ = uniform_within(problem);
    // Of the policies the ones that the prior by width holds for the best.
    const auto effects = effects_by_width(problem.space);
    std::ranges::stable_sort(uniform_, {}, [&](const Assignment& a) { return sum(effects, a); });
    if (uniform_.size() > kUniformFirst) uniform_.resize(kUniformFirst);
    std::ranges::reverse(uniform_);
  }

  std::vector<Query> ask(double /*left*/) override {
    if (!profiled_ && !profile_.queries().empty()) return profile_.queries();
    std::vector<Assignment> proposals;
    const LinearPosterior posterior = updated();
    for (int i = 0; i < batch_; ++i) {
      if (auto proposal = next(posterior, proposals)) proposals.push_back(std::move(*proposal));
    }
    return full_queries(std::move(proposals));
  }

  void tell(std::span<const Answer> answers) override {
    if (!profiled_) profile_.tell(answers);
    profiled_ = true;
    for (const Answer& answer : answers) {
      if (answer.query.fidelity != Fidelity::full || answer.remembered) continue;
      answers_.push_back(answer);
    }
  }

  /// The best expected accuracy: what was observed, drawn towards what the posterior's loss lets expect as
  /// far as chance explains the difference. The best of many noisy accuracies is too good to be true, and the
  /// least loss need not be the most accurate.
  [[nodiscard]] std::optional<Assignment> best() const override {
    if (answers_.empty()) return std::nullopt;
    const std::vector<double> losses = updated().observed_means();
    std::vector<double> accuracies;
    for (const Answer& answer : answers_) accuracies.push_back(answer.accuracy());
    const std::vector<double> expected = expected_accuracies(losses, accuracies, answers_.front().images());
    const auto most = std::ranges::max_element(expected) - expected.begin();
    return answers_[static_cast<std::size_t>(most)].query.assignment;
  }

 private:
  static double sum(const std::vector<std::vector<double>>& effects, const Assignment& assignment) {
    double total = 0;
    for (std::size_t d = 0; d < assignment.size(); ++d) total += effects[d][assignment[d]];
    return total;
  }

  [[nodiscard]] Effects prior() const {
    if (!profile_.queries().empty()) return profile_.shrunk();
    Effects effects{effects_by_width(problem_.space), {}};
    Assignment two = problem_.space.highest();
    for (int d = 0; d < problem_.space.size(); ++d) two[d] = nearest(problem_.space.decisions[d], 2);
    const double scale = kPriorLoss / std::max(1e-9, sum(effects.mean, two));
    for (auto& decision : effects.mean) {
      for (double& effect : decision) effect *= scale;
      effects.variance.push_back(decision);
      for (double& variance : effects.variance.back()) variance *= variance;
      effects.variance.back().back() = 0;
    }
    return effects;
  }

  [[nodiscard]] LinearPosterior updated() const {
    std::vector<Assignment> assignments;
    std::vector<double> losses;
    double images = 1;
    for (const Answer& answer : answers_) {
      assignments.push_back(answer.query.assignment);
      losses.push_back(answer.loss());
      images = answer.images();
    }
    const double base = profile_.queries().empty() ? 0.3 : profile_.highest_loss();
    const double typical = losses.empty() ? 0.5 : std::max(0.02, *std::ranges::min_element(losses) - base);
    LinearPosterior posterior(
        problem_.space, prior(), base,
        {.base = 0.01, .own = std::pow(kOwnShare * typical, 2), .sampling = 0.3 * typical / images});
    if (!losses.empty()) posterior.observe(assignments, losses);
    return posterior;
  }

  std::optional<Assignment> next(const LinearPosterior& posterior, const std::vector<Assignment>& proposals) {
    const auto is_new = [&](const Assignment& assignment) {
      return std::ranges::find(proposals, assignment) == proposals.end() &&
             std::ranges::none_of(answers_,
                                  [&](const Answer& a) { return a.query.assignment == assignment; });
    };
    while (!uniform_.empty()) {
      const Assignment assignment = std::move(uniform_.back());
      uniform_.pop_back();
      if (is_new(assignment)) return assignment;
    }
    const auto known = answers_.size() + proposals.size();
    for (int attempt = 0; attempt < kDraws; ++attempt) {
      auto effects = (count_++ % 2 == 0 && attempt == 0) ? posterior.mean() : posterior.draw(random_);
      for (auto& decision : effects) make_monotone(decision);
      for (const Assignment& assignment : solve_within(problem_, ground_, effects, {.count = 1 + attempt}))
        if (is_new(assignment)) return assignment;
    }
    // One more of the best than are known holds a new one, while there is any.
    auto effects = posterior.mean();
    for (auto& decision : effects) make_monotone(decision);
    for (const Assignment& assignment :
         solve_within(problem_, ground_, effects, {.count = static_cast<int>(known) + 1}))
      if (is_new(assignment)) return assignment;
    return std::nullopt;
  }

  Problem problem_;
  Ground ground_;
  Profile profile_;
  int batch_;
  std::mt19937_64 random_;
  std::vector<Assignment> uniform_;  ///< the next last
  bool profiled_ = false;
  int count_ = 0;
  std::vector<Answer> answers_;
};

}  // namespace

const Method ours_method{
    .name = "ours",
    .about = "posterior-sampled exact solver: knapsack solutions of a shrunk, updated profile",
    .batch = 1,
    .make = [](const Problem& problem, const SearcherOptions& options) -> std::unique_ptr<Searcher> {
      return std::make_unique<Ours>(problem, options);
    }};

}  // namespace bitloop::search
