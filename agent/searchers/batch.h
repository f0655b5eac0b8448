#pragma once

#include "agent/solver/knapsack.h"
#include "agent/solver/projection.h"
#include "agent/space/searcher.h"

namespace bitloop::search {

/// What most searchers start from: the problem's cost as a function, its cheapest assignment and the
/// projection on its limit.
struct Ground {
  explicit Ground(const Problem& problem)
      : cost(cost_of(problem.space, problem.costs, problem.objective.measure)),
        projection(problem.space, cost, problem.objective.limit,
                   cheapest(problem.space, problem.costs.local(problem.objective.measure)).assignment) {}

  CostOf cost;
  Projection projection;
};

/// The best assignments within the problem's limit for these effects, best first (solver/checked.h).
std::vector<Assignment> solve_within(const Problem& problem, const Ground& ground,
                                     const std::vector<std::vector<double>>& effects,
                                     const SolverOptions& options);

/// Full queries of assignments.
inline std::vector<Query> full_queries(std::vector<Assignment> assignments) {
  std::vector<Query> queries;
  for (Assignment& assignment : assignments) queries.push_back({std::move(assignment), Fidelity::full, 0});
  return queries;
}

/// The batch size of a searcher under its options.
inline int batch_of(const Method& method, const SearcherOptions& options) {
  return options.batch > 0 ? options.batch : method.batch;
}

}  // namespace bitloop::search
