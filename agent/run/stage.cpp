#include "agent/run/stage.h"

#include <algorithm>
#include <utility>

namespace bitloop::agent {

std::vector<search::Answer> evaluated(const Stage& stage, const std::string& title,
                                      std::span<const search::Query> queries) {
  std::vector<search::Answer> answers;
  stage.observer(title, 0, "");
  while (answers.size() < queries.size()) {
    const auto rest = queries.subspan(answers.size());
    const auto some = rest.first(std::min(rest.size(), static_cast<std::size_t>(stage.workers)));
    for (search::Answer& answer : stage.evaluator.evaluate(some)) answers.push_back(std::move(answer));
    stage.observer(title, static_cast<double>(answers.size()) / static_cast<double>(queries.size()), "");
  }
  return answers;
}

}  // namespace bitloop::agent
