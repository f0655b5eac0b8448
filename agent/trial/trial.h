#pragma once

#include <functional>
#include <limits>

#include "agent/space/searcher.h"

namespace bitloop::search {

/// An answer, and where the search stood with it.
struct Step {
  Answer answer;
  double spent = 0;  ///< evaluations up to and with this one
  int best = -1;     ///< step of the assignment that the searcher holds for the best; -1: none yet
};

struct TrialLimits {
  double evaluations = 60;  ///< the sum of prices, and of what the searcher spends itself, is at most this
  /// Full queries at most, remembered ones included.
  int proposals = std::numeric_limits<int>::max();
};

/// Told after every batch.
using TrialObserver = std::function<void(const std::vector<Step>& steps)>;

/// One searcher on one problem: asks, has answered, tells, until the limits are reached, the searcher has no
/// more to ask, or it asks for nothing new too often (`kIdleBatches`). Every step follows from the searcher
/// and the evaluator's answers alone: with an evaluator that remembers an earlier process's answers the trial
/// goes on where that was killed.
std::vector<Step> run_trial(Searcher& searcher, Evaluator& evaluator, const Problem& problem,
                            const TrialLimits& limits, const TrialObserver& observer = {});
inline constexpr int kIdleBatches = 50;

/// Problem::origin: the highest assignment's full answer; empty where it has no cost, as one that a table
/// lacks.
Answer origin_of(const Space& space, CostModel& costs, Evaluator& evaluator);

/// The step that holds the best when `evaluations` are spent; null: none by then.
const Step* best_at(const std::vector<Step>& steps, double evaluations);

}  // namespace bitloop::search
