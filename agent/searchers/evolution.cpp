// Regularised evolution (Real, Aggarwal, Huang and Le: Regularized Evolution for Image Classifier
// Architecture Search, AAAI 2019): the population is what was evaluated last; the best of a few that are
// drawn from it has a child, which differs in one decision and is moved to the limit.

#include <algorithm>

#include "agent/searchers/proposer.h"

namespace bitloop::search {

extern const Method evolution_method;

namespace {

constexpr double kPopulation = 0.15;  ///< of the evaluations; the paper's 100 of 20,000 would not turn over
constexpr int kLeastPopulation = 8;
constexpr double kTournament = 0.5;  ///< of the population; the paper's 25 of 100 is slower at this few

class Evolution : public Proposer {
 public:
  Evolution(const Problem& problem, const SearcherOptions& options)
      : Proposer(evolution_method, problem, options),
        population_(std::max(kLeastPopulation, static_cast<int>(kPopulation * options.evaluations))) {}

 private:
  Assignment propose() override {
    if (first_ > 0) {
      --first_;
      return candidates().near_limit();
    }
    const int count = static_cast<int>(answers().size());
    const int living = std::min(population_, count);
    if (living == 0) return candidates().near_limit();
    const Answer* parent = nullptr;
    for (int i = 0; i < std::max(2, static_cast<int>(kTournament * population_)); ++i) {
      const Answer& drawn = answers()[count - 1 - candidates().below(living)];
      if (parent == nullptr || drawn.loss() < parent->loss()) parent = &drawn;
    }
    return candidates().settled(candidates().mutated(parent->query.assignment));
  }

  int population_;
  int first_ = population_;  ///< proposals of the first generation that remain
};

}  // namespace

const Method evolution_method{.name = "evolution",
                              .about = "regularised evolution (Real et al. 2019), moved to the budget",
                              .batch = 1,
                              .make = make_proposer<Evolution>};

}  // namespace bitloop::search
