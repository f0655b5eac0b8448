// The additive solver: one-at-a-time losses, then the exact solutions of the knapsack, best first and held
// apart, each evaluated; after HAWQ-V3's and LIMPQ's integer programs, which take the first. Where probes
// cost too much, effects by width alone.

#include <algorithm>

#include "agent/searchers/batch.h"
#include "agent/searchers/limits.h"
#include "agent/searchers/profile.h"
#include "agent/searchers/uniform_policies.h"

namespace bitloop::search {

extern const Method solver_method;

namespace {

constexpr double kProfileShare = 0.5;  ///< of the evaluations, the most that the profile may cost
constexpr int kDistance = 2;           ///< decisions in which solutions differ: near copies tell nothing new
constexpr int kMostSolutions = 64;

class Solver : public Searcher {
 public:
  Solver(const Problem& problem, const SearcherOptions& options)
      : problem_(problem),
        ground_(problem),
        profile_(problem, options.evaluations, kProfileShare),
        limits_(problem),
        too_low_(limits_.lowest()),
        enough_(problem.objective.limit),
        batch_(batch_of(solver_method, options)) {}

  std::vector<Query> ask(double /*left*/) override {
    if (!profiled_ && !profile_.queries().empty()) return profile_.queries();
    if (effects_.empty())
      effects_ = profile_.queries().empty() ? effects_by_width(problem_.space) : profile_.raw();
    if (problem_.objective.goal != Objective::Goal::accuracy) {
      // One after another: at limits that fill the range, or at the middle of those that may be the least.
      while (rounds_ < kMostSolutions) {
        Problem problem = problem_;
        problem.objective.limit = problem_.objective.goal == Objective::Goal::pareto
                                      ? limits_.spread(rounds_)
                                      : (rounds_ == 0 ? enough_ : (too_low_ + enough_) / 2);
        ++rounds_;
        auto found = solve_within(problem, ground_, effects_, {});
        if (found.empty()) continue;
        if (std::ranges::find(solutions_, found.front()) == solutions_.end()) {
          solutions_.push_back(found.front());
          return full_queries({found.front()});
        }
        too_low_ = problem.objective.limit;  // it leads to what is known
      }
      return {};
    }
    if (solutions_.empty())
      solutions_ =
          solve_within(problem_, ground_, effects_, {.count = kMostSolutions, .distance = kDistance});
    const auto count = std::min(solutions_.size() - next_, static_cast<std::size_t>(batch_));
    const auto first = solutions_.begin() + static_cast<std::ptrdiff_t>(next_);
    next_ += count;
    return full_queries({first, first + static_cast<std::ptrdiff_t>(count)});
  }

  [[nodiscard]] std::string note() const override { return profile_.note(); }
  void tell(std::span<const Answer> answers) override {
    profile_.tell(answers);
    profiled_ = true;
    for (const Answer& answer : answers) {
      if (answer.query.fidelity != Fidelity::full) continue;
      const double cost = answer.costs[problem_.objective.measure];
      if (answer.accuracy() >= problem_.objective.floor)
        enough_ = std::min(enough_, cost);
      else if (cost < enough_)
        too_low_ = std::max(too_low_, cost);
    }
  }

 private:
  Problem problem_;
  Ground ground_;
  Profile profile_;
  Limits limits_;
  double too_low_;  ///< limits between which the least lies that reaches the floor
  double enough_;
  int rounds_ = 0;
  bool profiled_ = false;
  std::vector<std::vector<double>> effects_;
  std::vector<Assignment> solutions_;
  std::size_t next_ = 0;
  int batch_;
};

}  // namespace

const Method solver_method{
    .name = "solver",
    .about = "one-at-a-time losses, then the exact knapsack's best solutions",
    .batch = 1,
    .make = [](const Problem& problem, const SearcherOptions& options) -> std::unique_ptr<Searcher> {
      return std::make_unique<Solver>(problem, options);
    }};

}  // namespace bitloop::search
