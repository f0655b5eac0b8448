#include "agent/trial/remembering.h"

#include <algorithm>

namespace bitloop::search {

std::vector<Answer> Remembering::evaluate(std::span<const Query> queries) {
  std::vector<Query> unknown;
  for (const Query& query : queries) {
    if (!known_.contains(query) && std::ranges::find(unknown, query) == unknown.end())
      unknown.push_back(query);
  }
  std::map<Query, Answer> fresh;
  if (!unknown.empty()) {
    for (Answer& answer : inner_.evaluate(unknown)) fresh.emplace(answer.query, std::move(answer));
  }
  std::vector<Answer> answers;
  for (const Query& query : queries) {
    const auto answered = fresh.find(query);
    if (answered != fresh.end()) {
      answers.push_back(answered->second);
      known_.insert(fresh.extract(answered));
      continue;
    }
    answers.push_back(known_.at(query));
    answers.back().remembered = true;
    answers.back().price = 0;
  }
  return answers;
}

}  // namespace bitloop::search
