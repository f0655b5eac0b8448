#include "agent/searchers/proposer.h"

#include <algorithm>
#include <numeric>

namespace bitloop::search {
namespace {

constexpr int kAttempts = 16;
constexpr int kRandomAttempts = 64;
constexpr int kDrawn = 32;   ///< candidates near the limit
constexpr int kStarts = 8;   ///< that a round starts from
constexpr int kMutants = 4;  ///< of each start
constexpr int kRounds = 3;
constexpr double kStep = 0.97;  ///< of the least cost that reaches a floor, the next limit

}  // namespace

Proposer::Proposer(const Method& method, const Problem& problem, const SearcherOptions& options)
    : problem_(problem), candidates_(problem, options.seed), batch_(batch_of(method, options)) {}

std::vector<Query> Proposer::ask(double /*left*/) {
  std::vector<Assignment> assignments;
  for (int i = 0; i < batch_; ++i) {
    Assignment proposal = propose();
    for (int attempt = 1; attempt < kAttempts && !is_new(proposal); ++attempt) proposal = propose();
    for (int attempt = 0; attempt < kRandomAttempts && !is_new(proposal); ++attempt)
      proposal = candidates_.random();
    if (!proposed_.insert(proposal).second) break;
    assignments.push_back(std::move(proposal));
  }
  return full_queries(std::move(assignments));
}

void Proposer::tell(std::span<const Answer> answers) {
  for (const Answer& answer : answers)
    if (answer.query.fidelity == Fidelity::full) answers_.push_back(answer);
  const Objective& objective = problem_.objective;
  if (objective.goal == Objective::Goal::cost) {
    // What reaches the floor sets the limit for what comes.
    double least = objective.limit / kStep;
    for (const Answer& answer : answers_)
      if (answer.accuracy() >= objective.floor) least = std::min(least, answer.costs[objective.measure]);
    candidates_.lower_limit(kStep * least);
  }
  learn();
}

Assignment Proposer::lowest(const std::function<double(const Assignment&)>& score) {
  std::vector<std::pair<double, Assignment>> pool;
  const auto add = [&](Assignment candidate) {
    const double value = score(candidate);
    pool.emplace_back(value, std::move(candidate));
  };
  std::vector<Assignment> starts;
  for (const std::size_t i : by_loss())
    if (starts.size() < kStarts) starts.push_back(answers_[i].query.assignment);
  for (int i = 0; i < kDrawn; ++i) add(candidates_.near_limit());
  for (int round = 0; round < kRounds; ++round) {
    for (const Assignment& start : starts)
      for (int i = 0; i < kMutants; ++i) add(candidates_.settled(candidates_.mutated(start)));
    std::ranges::stable_sort(pool, {}, &std::pair<double, Assignment>::first);
    starts.clear();
    for (const auto& [value, candidate] : pool)
      if (starts.size() < kStarts && std::ranges::find(starts, candidate) == starts.end())
        starts.push_back(candidate);
  }
  const auto found = std::ranges::find_if(pool, [&](const auto& entry) { return is_new(entry.second); });
  return (found == pool.end() ? pool.begin() : found)->second;
}

std::vector<std::size_t> Proposer::by_loss() const {
  std::vector<std::size_t> order(answers_.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return answers_[i].loss(); });
  return order;
}

}  // namespace bitloop::search
