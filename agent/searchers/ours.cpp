// The posterior-sampled exact solver: a Bayesian linear model of the loss, whose prior is by width alone,
// learns from each evaluation; each proposal is the exact knapsack solution of its mean or of a draw from it
// (linear Thompson sampling: Agrawal and Goyal 2013). Uniform policies moved into the budget are among the
// first. No probes: an evaluation tells of all decisions at once, a probe of one (docs/search.md).

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "agent/searchers/batch.h"
#include "agent/searchers/limits.h"
#include "agent/searchers/linear_posterior.h"
#include "agent/searchers/uniform_policies.h"
#include "agent/space/effects.h"

namespace bitloop::search {

extern const Method ours_method;

namespace {

constexpr int kUniformFirst = 1;  ///< projected uniform policies, behind the first proposal
constexpr double kTemper =
    0.3;                   ///< share of a draw's distance from the mean: budgets are tens, not thousands
constexpr int kDraws = 4;  ///< from the posterior, for a proposal that is new
constexpr double kLeastWeight = 0.2;  ///< of what was observed, in an expected accuracy
constexpr double kUnpairedNoise =
    0.5;  ///< of one fold's right answers, the share of the variance not common to all
constexpr double kAccuracyPerLoss = -0.3;  ///< before anything is known: ResNet-20's, near its best

/// Variance of an accuracy by the images that it was taken on, beside what these do to all assignments alike:
/// what answers and folds leave of their right answers.
double accuracy_noise(const std::vector<Answer>& answers) {
  const auto folds = static_cast<double>(answers.front().folds.size());
  const auto n = static_cast<double>(answers.size());
  if (folds < 2 || n < 2) {
    const double accuracy = answers.front().accuracy();
    return kUnpairedNoise * accuracy * (1 - accuracy) / answers.front().images();
  }
  const auto share = [](const Fold& fold) { return static_cast<double>(fold.correct) / fold.images; };
  std::vector<double> of_fold(answers.front().folds.size());
  for (const Answer& answer : answers)
    for (std::size_t f = 0; f < of_fold.size(); ++f) of_fold[f] += share(answer.folds[f]) / n;
  const double mean = std::accumulate(of_fold.begin(), of_fold.end(), 0.0) / folds;
  double squares = 0;
  for (const Answer& answer : answers) {
    double own = 0;
    for (const Fold& fold : answer.folds) own += share(fold) / folds;
    for (std::size_t f = 0; f < of_fold.size(); ++f)
      squares += std::pow(share(answer.folds[f]) - own - of_fold[f] + mean, 2);
  }
  return squares / ((n - 1) * (folds - 1)) / folds;
}

/// A straight line of accuracy against loss, never rising.
struct Line {
  double loss = 0, accuracy = 0, slope = 0;
  [[nodiscard]] double operator()(double at) const { return accuracy + slope * (at - loss); }
};

Line line_through(const std::vector<double>& losses, const std::vector<double>& accuracies) {
  const auto n = static_cast<double>(losses.size());
  Line line;
  line.loss = std::accumulate(losses.begin(), losses.end(), 0.0) / n;
  line.accuracy = std::accumulate(accuracies.begin(), accuracies.end(), 0.0) / n;
  double both = 0;
  double square = 0;
  for (std::size_t i = 0; i < losses.size(); ++i) {
    both += (losses[i] - line.loss) * (accuracies[i] - line.accuracy);
    square += (losses[i] - line.loss) * (losses[i] - line.loss);
  }
  line.slope = square > 0 ? std::min(0.0, both / square) : kAccuracyPerLoss;
  return line;
}

std::vector<double> accuracies_of(const std::vector<Answer>& answers) {
  std::vector<double> accuracies;
  for (const Answer& answer : answers) accuracies.push_back(answer.accuracy());
  return accuracies;
}

/// What is expected of the accuracies of answers: what was observed, drawn towards the line through losses
/// and accuracies as far as chance explains the distance. The best of many noisy accuracies is too good to be
/// true, and the least loss need not be the most accurate.
std::vector<double> expected_accuracies(const std::vector<Answer>& answers,
                                        const std::vector<double>& losses) {
  std::vector<double> expected = accuracies_of(answers);
  const Line line = line_through(losses, expected);
  double spread = 0;
  for (std::size_t i = 0; i < losses.size(); ++i)
    spread += std::pow(expected[i] - line(losses[i]), 2) / static_cast<double>(losses.size());
  const double weight = spread > 0 ? std::max(kLeastWeight, 1 - accuracy_noise(answers) / spread) : 1;
  for (std::size_t i = 0; i < losses.size(); ++i)
    expected[i] = line(losses[i]) + weight * (expected[i] - line(losses[i]));
  return expected;
}

class Ours : public Searcher {
 public:
  Ours(const Problem& problem, const SearcherOptions& options)
      : problem_(problem),
        ground_(problem),
        limits_(problem),
        batch_(batch_of(ours_method, options)),
        random_(options.seed) {
    uniform_ = uniform_within(problem);
    // Of the policies the ones that the prior by width holds for the best.
    std::ranges::stable_sort(uniform_, {}, [&](const Assignment& a) { return sum(widths_, a); });
    if (static_cast<int>(uniform_.size()) > kUniformFirst) uniform_.resize(kUniformFirst);
    std::ranges::reverse(uniform_);
  }

  std::vector<Query> ask(double /*left*/) override {
    std::vector<Assignment> proposals;
    const LinearPosterior posterior = updated();
    for (int i = 0; i < batch_; ++i) {
      if (auto proposal = next(posterior, proposals)) proposals.push_back(std::move(*proposal));
    }
    return full_queries(std::move(proposals));
  }

  void tell(std::span<const Answer> answers) override {
    for (const Answer& answer : answers)
      if (answer.query.fidelity == Fidelity::full && !answer.remembered) answers_.push_back(answer);
  }

  /// The objective's best, by expected accuracies.
  [[nodiscard]] std::optional<Assignment> best() const override {
    if (answers_.empty()) return std::nullopt;
    const std::vector<double> expected = expected_accuracies(answers_, updated().observed_means());
    const Objective& objective = problem_.objective;
    std::size_t best = 0;
    for (std::size_t i = 1; i < expected.size(); ++i) {
      const Objective::Standing own{expected[i], answers_[i].loss(), answers_[i].costs[objective.measure]};
      const Objective::Standing other{expected[best], answers_[best].loss(),
                                      answers_[best].costs[objective.measure]};
      if (objective.better(own, other)) best = i;
    }
    return answers_[best].query.assignment;
  }

 private:
  static double sum(const std::vector<std::vector<double>>& effects, const Assignment& assignment) {
    double total = 0;
    for (std::size_t d = 0; d < assignment.size(); ++d) total += effects[d][assignment[d]];
    return total;
  }

  /// Loss of the highest assignment; where it is not known, the least that there was.
  [[nodiscard]] double base() const {
    if (problem_.origin.images() > 0) return problem_.origin.loss();
    double least = answers_.empty() ? 0 : answers_.front().loss();
    for (const Answer& answer : answers_) least = std::min(least, answer.loss());
    return least;
  }

  [[nodiscard]] LinearPosterior updated() const {
    std::vector<SeenLoss> seen;
    for (const Answer& answer : answers_)
      seen.push_back({answer.query.assignment, answer.loss(), answer.images()});
    return belief_by_width(problem_.space, seen, base());
  }

  [[nodiscard]] bool is_new(const Assignment& assignment, const std::vector<Assignment>& proposals) const {
    return std::ranges::find(proposals, assignment) == proposals.end() &&
           std::ranges::none_of(answers_, [&](const Answer& a) { return a.query.assignment == assignment; });
  }

  std::optional<Assignment> next(const LinearPosterior& posterior, const std::vector<Assignment>& proposals) {
    const int count = count_++;
    while (count > 0 && !uniform_.empty()) {
      const Assignment assignment = std::move(uniform_.back());
      uniform_.pop_back();
      if (is_new(assignment, proposals)) return assignment;
    }
    auto mean = posterior.mean();
    for (auto& decision : mean) make_monotone(decision);
    const Problem problem = limited(posterior, mean, count);
    for (int attempt = 0; attempt < kDraws; ++attempt) {
      const auto effects = count % 2 == 0 && attempt == 0 ? mean : drawn(posterior);
      for (const Assignment& assignment : solve_within(problem, ground_, effects, {.count = 1 + attempt}))
        if (is_new(assignment, proposals)) return assignment;
    }
    // One more of the best than are known holds a new one, while there is any.
    const auto known = answers_.size() + proposals.size();
    for (const Assignment& assignment :
         solve_within(problem_, ground_, mean, {.count = static_cast<int>(known) + 1}))
      if (is_new(assignment, proposals)) return assignment;
    return std::nullopt;
  }

  [[nodiscard]] std::vector<std::vector<double>> drawn(const LinearPosterior& posterior) {
    auto effects = posterior.mean();
    const auto draw = posterior.draw(random_);
    for (std::size_t d = 0; d < effects.size(); ++d) {
      for (std::size_t c = 0; c < effects[d].size(); ++c)
        effects[d][c] += kTemper * (draw[d][c] - effects[d][c]);
      make_monotone(effects[d]);
    }
    return effects;
  }

  /// The problem with the limit of this proposal: the objective's; of a front one of many, spread; for the
  /// cheapest the least at which the solution is expected to reach the floor.
  [[nodiscard]] Problem limited(const LinearPosterior& posterior,
                                const std::vector<std::vector<double>>& mean, int count) const {
    Problem problem = problem_;
    const Objective& objective = problem_.objective;
    if (objective.goal == Objective::Goal::pareto) problem.objective.limit = limits_.spread(count);
    if (objective.goal != Objective::Goal::cost || answers_.empty()) return problem;
    std::vector<double> losses = posterior.observed_means();
    std::vector<double> accuracies = accuracies_of(answers_);
    if (problem_.origin.images() > 0) {
      losses.push_back(problem_.origin.loss());
      accuracies.push_back(problem_.origin.accuracy());
    }
    const Line line = line_through(losses, accuracies);
    problem.objective.limit = limits_.least([&](double limit) {
      Problem tried = problem_;
      tried.objective.limit = limit;
      const auto solutions = solve_within(tried, ground_, mean, {});
      return !solutions.empty() && line(posterior.expected(solutions.front())) >= objective.floor;
    });
    return problem;
  }

  Problem problem_;
  Ground ground_;
  Limits limits_;
  int batch_;
  std::mt19937_64 random_;
  std::vector<std::vector<double>> widths_ = effects_by_width(problem_.space);
  std::vector<Assignment> uniform_;  ///< the next last
  int count_ = 0;                    ///< proposals
  std::vector<Answer> answers_;
};

}  // namespace

const Method ours_method{
    .name = "ours",
    .about = "posterior-sampled exact solver: knapsack solutions of a Bayesian linear model",
    .batch = 2,
    .make = [](const Problem& problem, const SearcherOptions& options) -> std::unique_ptr<Searcher> {
      return std::make_unique<Ours>(problem, options);
    }};

}  // namespace bitloop::search
