// The posterior-sampled exact solver: a cheap profile of the loss, shrunk by empirical Bayes; a Bayesian
// linear update from each evaluation; each proposal the exact knapsack solution of the posterior's mean or of
// a draw from it (linear Thompson sampling: Agrawal and Goyal 2013). The best uniform policies moved into the
// budget come first, so that it never loses to them.

#include <algorithm>
#include <cmath>
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
constexpr double kOwnShare =
    0.05;  ///< standard deviation of an assignment's own part, as a share of its rise

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

  [[nodiscard]] std::optional<Assignment> best() const override {
    if (answers_.empty()) return std::nullopt;
    const std::vector<double> losses = updated().observed_means();
    const auto least = std::ranges::min_element(losses) - losses.begin();
    return answers_[static_cast<std::size_t>(least)].query.assignment;
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
    for (int attempt = 0; attempt < 8; ++attempt) {
      auto effects = (count_++ % 2 == 0 && attempt == 0) ? posterior.mean() : posterior.draw(random_);
      for (auto& decision : effects) make_monotone(decision);
      for (const Assignment& assignment :
           solve_within(problem_, ground_, effects, {.count = 1 + attempt, .distance = 1})) {
        if (is_new(assignment)) return assignment;
      }
    }
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
