#include "agent/trial/trial.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "agent/trial/remembering.h"
#include "host/base/error.h"

namespace bitloop::search {
namespace {

/// Queries in order while they can be paid and counted.
std::vector<Query> affordable(std::vector<Query> queries, const Remembering& evaluator, double left,
                              int proposals) {
  constexpr double kRounding = 1e-9;
  const Prices prices = evaluator.prices();
  std::size_t count = 0;
  for (; count < queries.size(); ++count) {
    const Query& query = queries[count];
    if (query.fidelity == Fidelity::full && proposals-- <= 0) break;
    const bool twin = std::find(queries.begin(), queries.begin() + static_cast<std::ptrdiff_t>(count),
                                query) != queries.begin() + static_cast<std::ptrdiff_t>(count);
    const double price = twin || evaluator.knows(query) ? 0 : prices.of(query);
    if (price > left + kRounding) break;
    left -= price;
  }
  queries.resize(count);
  return queries;
}

/// The step that answered the full query of an assignment first; -1: none did.
int step_of(const std::vector<Step>& steps, const Assignment& assignment) {
  const auto found = std::ranges::find_if(steps, [&](const Step& step) {
    return step.answer.query.fidelity == Fidelity::full && step.answer.query.assignment == assignment;
  });
  return found == steps.end() ? -1 : static_cast<int>(found - steps.begin());
}

void check(const Query& query, const Problem& problem) {
  if (query.fidelity == Fidelity::probe) return;
  if (problem.space.allows(query.assignment) && problem.objective.fits(problem.costs.costs(query.assignment)))
    return;
  throw Error(fmt::format("the searcher proposes '{}', which does not keep the limit: mend the searcher",
                          text_of(problem.space, query.assignment)));
}

}  // namespace

std::vector<Step> run_trial(Searcher& searcher, Evaluator& evaluator, const Problem& problem,
                            const TrialLimits& limits, const TrialObserver& observer) {
  Remembering remembering(evaluator);
  std::vector<Step> steps;
  double spent = 0, own = 0;  // `own`: of it, the searcher's own
  int proposed = 0;
  int best = -1;
  for (int idle = 0; idle < kIdleBatches;) {
    const double before = spent;
    std::vector<Query> asked = searcher.ask(limits.evaluations - spent);
    spent += searcher.spent() - own;
    own = searcher.spent();
    const auto queries =
        affordable(std::move(asked), remembering, limits.evaluations - spent, limits.proposals - proposed);
    if (queries.empty()) break;
    for (const Query& query : queries) check(query, problem);
    const std::vector<Answer> answers = remembering.evaluate(queries);
    searcher.tell(answers);
    for (const Answer& answer : answers) {
      spent += answer.price;
      steps.push_back({answer, spent, best});
      const bool counts = answer.query.fidelity == Fidelity::full;
      proposed += counts ? 1 : 0;
      if (counts && (best < 0 || problem.objective.better(answer, steps[best].answer)))
        best = static_cast<int>(steps.size()) - 1;
      steps.back().best = best;
    }
    if (const auto choice = searcher.best()) best = step_of(steps, *choice);
    steps.back().best = best;
    idle = spent > before ? 0 : idle + 1;
    if (observer) observer(steps);
  }
  return steps;
}

Answer origin_of(const Space& space, CostModel& costs, Evaluator& evaluator) {
  const Query query{space.highest()};
  if (!std::isfinite(costs.costs(query.assignment).cycles())) return {.query = query};
  return evaluator.evaluate(std::span(&query, 1)).front();
}

const Step* best_at(const std::vector<Step>& steps, double evaluations) {
  const Step* last = nullptr;
  for (const Step& step : steps) {
    if (step.spent > evaluations + 1e-9) break;
    last = &step;
  }
  return last == nullptr || last->best < 0 ? nullptr : &steps[static_cast<std::size_t>(last->best)];
}

}  // namespace bitloop::search
