#include "agent/solver/knapsack.h"

#include <algorithm>

#include "agent/solver/labels.h"

namespace bitloop::search {
namespace {

using solver::kInfinity;

Solution solution_of(const Knapsack& knapsack, Assignment assignment) {
  const double effect = effect_of(knapsack, assignment);
  const double cost = knapsack.costs(knapsack.space, assignment);
  return {std::move(assignment), effect, cost};
}

/// The best `count` assignments that keep the constraints.
///
/// Labels are set forward along the layers, and dropped where another makes them superfluous, where nothing
/// completes them within the constraints, or where every completion has more effect than allowed. What is
/// allowed starts a little above the Lagrangian bound and grows until enough solutions are within it: then no
/// other assignment is better, and labels far from the optimum were never made.
std::vector<Assignment> best(const solver::Graph& graph, const solver::Constraints& constraints,
                             std::size_t count) {
  const solver::Relaxation relaxation(graph, constraints);
  if (!relaxation.feasible()) return {};
  double known = count == 1 ? relaxation.incumbent() : kInfinity;  // so many solutions are within it
  double margin = 1e-6 * graph.effect_range;
  if (known < kInfinity) margin = std::max((known - relaxation.lower()) / 64, margin);
  for (;;) {
    const double most = std::min(relaxation.lower() + margin, known);
    const solver::Labels labels(graph, constraints, relaxation, count, most);
    const std::size_t found = std::min(count, labels.whole().size());
    const bool enough = found == count;
    if (labels.complete() || (enough && labels.whole()[count - 1].sum.effect <= most)) {
      std::vector<Assignment> assignments;
      for (std::size_t i = 0; i < found; ++i) assignments.push_back(labels.assignment(labels.whole()[i]));
      return assignments;
    }
    if (enough) known = std::min(known, labels.whole()[count - 1].sum.effect);
    // One is soon as good as it gets; of many the last is at first far above what it becomes.
    margin *= enough && count == 1 ? 8 : 2;
  }
}

std::vector<Solution> solve(const Knapsack& knapsack, const solver::Graph& graph, double limit,
                            const SolverOptions& options) {
  solver::Constraints constraints{.limit = limit, .distance = options.distance};
  std::vector<Assignment> assignments;
  if (options.distance <= 1) {
    assignments = best(graph, constraints, static_cast<std::size_t>(options.count));
  } else {
    while (static_cast<int>(constraints.before.size()) < options.count) {
      const std::vector<Assignment> next = best(graph, constraints, 1);
      if (next.empty()) break;
      constraints.before.push_back(next[0]);
    }
    assignments = constraints.before;
  }
  std::vector<Solution> solutions;
  for (Assignment& assignment : assignments)
    solutions.push_back(solution_of(knapsack, std::move(assignment)));
  return solutions;
}

}  // namespace

double effect_of(const Knapsack& knapsack, const Assignment& assignment) {
  double sum = 0;
  for (std::size_t d = 0; d < assignment.size(); ++d)
    sum += knapsack.effects[d][static_cast<std::size_t>(assignment[d])];
  return sum;
}

std::vector<Solution> solve(const Knapsack& knapsack, const SolverOptions& options) {
  if (options.count < 1) return {};
  const solver::Graph graph(knapsack);
  std::vector<Solution> solutions = solve(knapsack, graph, knapsack.limit + graph.cost_rounding, options);
  const auto keeps = [&](const Solution& solution) { return solution.cost <= knapsack.limit; };
  if (std::ranges::all_of(solutions, keeps)) return solutions;
  return solve(knapsack, graph, knapsack.limit - graph.cost_rounding, options);
}

Solution cheapest(const Space& space, const LocalCosts& costs) {
  Knapsack knapsack{space, costs, {}, kInfinity};
  for (const Decision& decision : space.decisions)
    knapsack.effects.emplace_back(static_cast<std::size_t>(decision.size()), 0.0);
  const std::vector<Solution> solutions = solve(knapsack);
  return solutions.empty() ? Solution{} : solutions.front();
}

}  // namespace bitloop::search
