#pragma once

#include <functional>
#include <vector>

#include "agent/evaluation/evaluator.h"
#include "agent/run/episode_log.h"
#include "agent/searchers/searcher.h"

namespace bitloop::agent {

/// The reward of a policy's outcome, as a rule `Environment::judge`.
using Judge = std::function<double(const host::Policy&, const Outcome&)>;

/// Called after each batch with the evaluations so far and all episodes so far.
using EpisodeObserver = std::function<void(int evaluations, const std::vector<Episode>& episodes)>;

/// Lets a searcher propose and an evaluator judge until `evaluations` policies have been evaluated, the
/// searcher has no more, or remembered policies alone come for too long. Every batch is in `log` before the
/// next one starts.
///
/// Episodes that `log` holds already are not evaluated again: the searcher is asked and told as it was, which
/// rebuilds its state, and the run goes on to the very result that it would have had.
std::vector<Episode> run_episodes(Searcher& searcher, Evaluator& evaluator, const Judge& judge,
                                  int evaluations, EpisodeLog& log, const EpisodeObserver& observer = {});

/// Better first: higher reward, then higher accuracy, then fewer cycles, then the earlier episode.
bool is_better(const Episode& a, const Episode& b);

/// The same policy after a longer retraining, judged anew by its accuracy then.
Episode judged_again(Episode episode, double accuracy, const Judge& judge);

/// The `count` best episodes with distinct policies, best first.
std::vector<Episode> best_episodes(std::vector<Episode> episodes, int count);

}  // namespace bitloop::agent
