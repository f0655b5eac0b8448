// NSGA-II (Deb, Pratap, Agarwal and Meyarivan, IEEE Transactions on Evolutionary Computation 6(2), 2002) on
// cost and loss. Children are projected into the limit, so that domination under constraints (its section VI)
// decides only where there is a floor of accuracy. A batch is a generation.

#include <algorithm>
#include <limits>
#include <numeric>

#include "agent/searchers/proposer.h"

namespace bitloop::search {

extern const Method nsga2_method;

namespace {

constexpr double kPopulation = 0.15;  ///< of the evaluations; the paper's is 100 of 25,000
constexpr int kLeastPopulation = 8;
constexpr double kCrossover = 0.9;  ///< probability that a child has two parents: the paper's
constexpr double kMutations = 1;    ///< decisions of a child that change, on average: the paper's 1 / n each

struct Individual {
  Assignment assignment;
  double cost = 0, loss = 0;
  double lack = 0;  ///< of accuracy, below the floor
  int rank = 0;     ///< its front's
  double crowding = 0;

  [[nodiscard]] bool dominates(const Individual& other) const {
    if (lack != other.lack) return lack < other.lack;
    return cost <= other.cost && loss <= other.loss && (cost < other.cost || loss < other.loss);
  }
  [[nodiscard]] bool before(const Individual& other) const {
    return rank != other.rank ? rank < other.rank : crowding > other.crowding;
  }
};

/// Ranks by fronts: a front are those that only members of earlier fronts dominate.
void rank(std::vector<Individual>& population) {
  for (Individual& individual : population) individual.rank = -1;
  std::size_t ranked = 0;
  for (int front = 0; ranked < population.size(); ++front) {
    std::vector<Individual*> members;
    for (Individual& individual : population) {
      const auto dominates = [&](const Individual& other) {
        return other.rank < 0 && other.dominates(individual);
      };
      if (individual.rank < 0 && std::ranges::none_of(population, dominates)) members.push_back(&individual);
    }
    for (Individual* member : members) member->rank = front;
    ranked += members.size();
  }
}

/// The distance of each to its neighbours in its front; infinite at a front's ends.
void crowd(std::vector<Individual>& population) {
  for (Individual& individual : population) individual.crowding = 0;
  for (double Individual::*const value : {&Individual::cost, &Individual::loss}) {
    std::vector<Individual*> order;
    for (Individual& individual : population) order.push_back(&individual);
    std::ranges::stable_sort(order, {}, [&](const Individual* i) { return std::pair(i->rank, i->*value); });
    for (auto first = order.begin(); first != order.end();) {
      const auto last =
          std::find_if(first, order.end(), [&](const Individual* i) { return i->rank != (*first)->rank; });
      const double range = (*(last - 1))->*value - (*first)->*value;
      for (auto i = first; i != last; ++i) {
        const bool end = i == first || i + 1 == last;
        if (!end && range <= 0) continue;
        (*i)->crowding +=
            end ? std::numeric_limits<double>::infinity() : ((*(i + 1))->*value - (*(i - 1))->*value) / range;
      }
      first = last;
    }
  }
}

class Nsga2 : public Proposer {
 public:
  Nsga2(const Problem& problem, const SearcherOptions& options)
      : Proposer(nsga2_method, problem, options),
        size_(
            static_cast<std::size_t>(std::max<double>(kLeastPopulation, kPopulation * options.evaluations))),
        first_(size_) {}

 private:
  Assignment propose() override {
    if (first_ > 0 || population_.empty()) {
      first_ -= first_ > 0 ? 1 : 0;
      return candidates().near_limit();
    }
    Assignment child = parent();
    if (candidates().uniform() < kCrossover) {
      const Assignment other = parent();
      for (std::size_t d = 0; d < child.size(); ++d)
        if (candidates().below(2) == 0) child[d] = other[d];
    }
    const auto decisions = static_cast<int>(child.size());
    for (int d = 0; d < decisions; ++d)
      if (candidates().uniform() * decisions < kMutations)
        child[d] = candidates().below(problem().space.decisions[d].size());
    return candidates().projected(std::move(child));
  }

  /// The better of two that are drawn.
  const Assignment& parent() {
    const int count = static_cast<int>(population_.size());
    const Individual& a = population_[candidates().below(count)];
    const Individual& b = population_[candidates().below(count)];
    return (b.before(a) ? b : a).assignment;
  }

  void learn() override {
    const Objective& objective = problem().objective;
    const double floor = objective.goal == Objective::Goal::cost ? objective.floor : 0;
    for (; told_ < answers().size(); ++told_) {
      const Answer& answer = answers()[told_];
      population_.push_back({.assignment = answer.query.assignment,
                             .cost = answer.costs[objective.measure],
                             .loss = answer.loss(),
                             .lack = std::max(0.0, floor - answer.accuracy())});
    }
    rank(population_);
    crowd(population_);
    std::ranges::stable_sort(population_, [](const auto& a, const auto& b) { return a.before(b); });
    if (population_.size() > size_) population_.resize(size_);
  }

  std::size_t size_;
  std::size_t first_;  ///< proposals of the first generation that remain
  std::size_t told_ = 0;
  std::vector<Individual> population_;
};

}  // namespace

const Method nsga2_method{.name = "nsga2",
                          .about = "NSGA-II (Deb et al. 2002) on cost and loss, projected onto the budget",
                          .batch = 8,
                          .make = make_proposer<Nsga2>};

}  // namespace bitloop::search
