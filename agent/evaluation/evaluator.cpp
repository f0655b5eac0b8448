#include "agent/evaluation/evaluator.h"

#include <algorithm>
#include <utility>

#include "agent/trial/parallel.h"

namespace bitloop::agent {

std::vector<Outcome> RememberingEvaluator::evaluate(std::span<const host::Policy> policies) {
  std::vector<host::Policy> unknown;
  std::unordered_map<std::string, Outcome> fresh;
  for (const host::Policy& policy : policies) {
    const std::string key = policy.key();
    if (memory_.contains(key) || fresh.contains(key)) continue;
    const auto restored = restored_.find(key);
    fresh.emplace(key, restored == restored_.end() ? Outcome{} : restored->second);
    if (restored == restored_.end()) unknown.push_back(policy);
  }
  if (!unknown.empty()) {
    const std::vector<Outcome> answers = inner_.evaluate(unknown);
    for (std::size_t i = 0; i < unknown.size(); ++i) fresh[unknown[i].key()] = answers[i];
  }
  std::vector<Outcome> outcomes;
  for (const host::Policy& policy : policies) {
    const std::string key = policy.key();
    const auto known = memory_.find(key);
    outcomes.push_back(known != memory_.end() ? known->second : fresh.at(key));
    outcomes.back().remembered = known != memory_.end();
    if (known == memory_.end()) memory_.emplace(key, outcomes.back());
  }
  return outcomes;
}

std::vector<Outcome> ParallelEvaluator::evaluate(std::span<const host::Policy> policies) {
  // Neighbours in this order agree in their first layers, which an evaluator may compute once.
  std::vector<std::pair<std::string, std::size_t>> order;
  for (std::size_t i = 0; i < policies.size(); ++i) order.emplace_back(policies[i].key(), i);
  std::ranges::sort(order);
  std::vector<Outcome> outcomes(policies.size());
  search::parallel_for(static_cast<int>(order.size()), static_cast<int>(workers_.size()),
                       [&](int item, int worker) {
                         const std::size_t place = order[item].second;
                         outcomes[place] = workers_[worker]->evaluate(policies.subspan(place, 1)).at(0);
                       });
  return outcomes;
}

}  // namespace bitloop::agent
