#include "agent/searchers/batch.h"

#include "agent/solver/checked.h"
#include "agent/solver/localize.h"

namespace bitloop::search {

std::vector<Assignment> solve_within(const Problem& problem, const Ground& ground,
                                     const std::vector<std::vector<double>>& effects,
                                     const SolverOptions& options) {
  const LocalCosts local =
      localize(problem.space, problem.costs, problem.objective.measure, effects, problem.objective.limit);
  std::vector<Assignment> assignments;
  for (Solution& solution :
       solve_checked({problem.space, local, effects, problem.objective.limit}, ground.cost, options))
    assignments.push_back(std::move(solution.assignment));
  return assignments;
}

}  // namespace bitloop::search
