#include "agent/run/episodes.h"

#include <algorithm>
#include <tuple>

namespace bitloop::agent {
namespace {

/// A searcher that has settled proposes what is remembered; after this many episodes per evaluation it is
/// over.
constexpr int kEpisodesPerEvaluation = 10;

}  // namespace

std::vector<Episode> run_episodes(Searcher& searcher, Evaluator& evaluator, const Judge& judge,
                                  int evaluations, EpisodeLog& log, const EpisodeObserver& observer) {
  RememberingEvaluator memory(evaluator);
  for (const Episode& episode : log.recorded()) {
    if (!episode.outcome.remembered) memory.restore(episode.policy.key(), episode.outcome);
  }
  std::vector<Episode> episodes;
  while (memory.evaluations() < evaluations &&
         static_cast<int>(episodes.size()) < kEpisodesPerEvaluation * evaluations) {
    const std::vector<host::Policy> policies = searcher.ask(evaluations - memory.evaluations());
    if (policies.empty()) break;
    const std::vector<Outcome> outcomes = memory.evaluate(policies);
    std::vector<Episode> batch;
    for (std::size_t i = 0; i < policies.size(); ++i) {
      batch.push_back({.number = static_cast<int>(episodes.size() + i) + 1,
                       .policy = policies[i],
                       .outcome = outcomes[i],
                       .reward = judge(policies[i], outcomes[i])});
    }
    log.append(batch);
    searcher.tell(batch);
    episodes.insert(episodes.end(), batch.begin(), batch.end());
    if (observer) observer(memory.evaluations(), episodes);
  }
  return episodes;
}

bool is_better(const Episode& a, const Episode& b) {
  const auto rank = [](const Episode& e) {
    return std::tuple(-e.reward, -e.outcome.accuracy, e.outcome.cycles, e.number);
  };
  return rank(a) < rank(b);
}

Episode judged_again(Episode episode, double accuracy, const Judge& judge) {
  episode.outcome.accuracy = accuracy;
  episode.reward = judge(episode.policy, episode.outcome);
  return episode;
}

std::vector<Episode> best_episodes(std::vector<Episode> episodes, int count) {
  std::sort(episodes.begin(), episodes.end(), is_better);
  std::vector<Episode> best;
  for (const Episode& episode : episodes) {
    if (static_cast<int>(best.size()) == count) break;
    const auto same = [&](const Episode& other) { return other.policy == episode.policy; };
    if (std::none_of(best.begin(), best.end(), same)) best.push_back(episode);
  }
  return best;
}

}  // namespace bitloop::agent
