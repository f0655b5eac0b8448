#include "agent/solver/checked.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>

namespace bitloop::search {
namespace {

constexpr double kTrust = 0.01;  ///< of the limit: local costs are never further off

/// A local search's assignment in hand.
class Search {
 public:
  Search(const Knapsack& knapsack, const CostOf& cost, Assignment assignment)
      : knapsack_(knapsack),
        cost_(cost),
        at_{.assignment = std::move(assignment)},
        trusted_(knapsack.limit + kTrust * std::abs(knapsack.limit)) {
    at_.effect = effect_of(knapsack, at_.assignment);
    at_.cost = cost(at_.assignment);
  }

  /// Goes on until no swap helps. After each that did, single ones come first again: they are fewer.
  Solution run() {
    while (swap_one() || swap_two()) {
    }
    return at_;
  }

 private:
  /// Moves there if that is better and may be.
  bool take(const Assignment& candidate) {
    const double candidate_effect = effect_of(knapsack_, candidate);
    if (!(candidate_effect <= at_.effect) || !knapsack_.space.allows(candidate)) return false;
    if (knapsack_.costs(knapsack_.space, candidate) > trusted_) return false;
    const double candidate_cost = cost_(candidate);
    if (candidate_cost > knapsack_.limit) return false;
    if (candidate_effect == at_.effect && candidate_cost >= at_.cost) return false;
    at_ = {candidate, candidate_effect, candidate_cost};
    return true;
  }

  /// The other choices of one decision, until `next` takes one.
  template <typename Next>
  bool any_choice(Assignment& candidate, int decision, const Next& next) const {
    const int current = candidate[decision];
    for (int choice = 0; choice < knapsack_.space.decisions[decision].size(); ++choice) {
      if (choice == current) continue;
      candidate[decision] = choice;
      if (next()) return true;
    }
    candidate[decision] = current;
    return false;
  }
  bool swap_one() {
    Assignment candidate = at_.assignment;
    for (int d = 0; d < knapsack_.space.size(); ++d)
      if (any_choice(candidate, d, [&] { return take(candidate); })) return true;
    return false;
  }
  bool swap_two() {
    Assignment candidate = at_.assignment;
    for (int a = 0; a < knapsack_.space.size(); ++a) {
      for (int b = a + 1; b < knapsack_.space.size(); ++b) {
        const auto second = [&] { return any_choice(candidate, b, [&] { return take(candidate); }); };
        if (any_choice(candidate, a, second)) return true;
      }
    }
    return false;
  }

  const Knapsack& knapsack_;
  const CostOf& cost_;
  Solution at_;
  double trusted_;  ///< what local costs put above it is not asked for
};

/// Solutions of local costs that keep the limit by the real ones too; of all limits that were tried.
std::set<Assignment> checked(const Knapsack& knapsack, const CostOf& cost, const SolverOptions& options) {
  constexpr int kRounds = 8;
  std::set<Assignment> kept;
  Knapsack lowered = knapsack;
  for (int round = 0; round < kRounds; ++round) {
    double excess = 0;  // the least of those that exceed the limit
    for (const Solution& solution : solve(lowered, options)) {
      const double over = cost(solution.assignment) - knapsack.limit;
      if (over <= 0) {
        kept.insert(solution.assignment);
      } else {
        excess = excess > 0 ? std::min(excess, over) : over;
      }
    }
    if (excess == 0 || static_cast<int>(kept.size()) >= options.count) break;
    lowered.limit -= excess;
  }
  return kept;
}

/// The assignment that swaps from the cheapest by local costs lead to, where it keeps the limit.
std::set<Assignment> floor_of(const Knapsack& knapsack, const CostOf& cost) {
  Solution floor = cheapest(knapsack.space, knapsack.costs);
  if (floor.assignment.empty()) return {};
  Knapsack by_cost = knapsack;
  for (auto& effects : by_cost.effects) std::ranges::fill(effects, 0);
  by_cost.limit = std::max(knapsack.limit, cost(floor.assignment));
  floor = improve(by_cost, cost, floor.assignment);
  if (floor.cost > knapsack.limit) return {};
  return {floor.assignment};
}

bool far(const Solution& solution, const std::vector<Solution>& others, int distance) {
  return std::ranges::all_of(others, [&](const Solution& other) {
    int differ = 0;
    for (std::size_t d = 0; d < solution.assignment.size(); ++d)
      differ += solution.assignment[d] != other.assignment[d] ? 1 : 0;
    return differ >= distance;
  });
}

}  // namespace

Solution improve(const Knapsack& knapsack, const CostOf& cost, Assignment assignment) {
  return Search(knapsack, cost, std::move(assignment)).run();
}

std::vector<Solution> solve_checked(const Knapsack& knapsack, const CostOf& cost,
                                    const SolverOptions& options) {
  if (knapsack.costs.exact) return solve(knapsack, options);
  std::set<Assignment> kept = checked(knapsack, cost, options);
  if (kept.empty()) kept = floor_of(knapsack, cost);
  std::vector<Solution> found;
  for (const Assignment& assignment : kept) {
    found.push_back({assignment, effect_of(knapsack, assignment), cost(assignment)});
    found.push_back(improve(knapsack, cost, assignment));
  }
  std::ranges::sort(found, {}, [](const Solution& s) { return std::tie(s.effect, s.cost, s.assignment); });
  std::vector<Solution> solutions;
  for (Solution& solution : found) {
    if (static_cast<int>(solutions.size()) == options.count) break;
    if (far(solution, solutions, std::max(options.distance, 1))) solutions.push_back(std::move(solution));
  }
  return solutions;
}

}  // namespace bitloop::search
