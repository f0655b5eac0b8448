// The additive solver: one-at-a-time losses, then the exact solutions of the knapsack, best first and held
// apart, each evaluated; after HAWQ-V3's and LIMPQ's integer programs, which take the first. Where probes
// cost too much, effects by width alone.

#include <algorithm>

#include "agent/searchers/batch.h"
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
        batch_(batch_of(solver_method, options)) {}

  std::vector<Query> ask(double /*left*/) override {
    if (!profiled_ && !profile_.queries().empty()) return profile_.queries();
    if (solutions_.empty()) {
      const auto effects = profile_.queries().empty() ? effects_by_width(problem_.space) : profile_.raw();
      solutions_ = solve_within(problem_, ground_, effects, {.count = kMostSolutions, .distance = kDistance});
    }
    const auto count = std::min(solutions_.size() - next_, static_cast<std::size_t>(batch_));
    const auto first = solutions_.begin() + static_cast<std::ptrdiff_t>(next_);
    next_ += count;
    return full_queries({first, first + static_cast<std::ptrdiff_t>(count)});
  }

  void tell(std::span<const Answer> answers) override {
    profile_.tell(answers);
    profiled_ = true;
  }

 private:
  Problem problem_;
  Ground ground_;
  Profile profile_;
  bool profiled_ = false;
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
