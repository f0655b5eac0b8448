#include "agent/searchers/candidates.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace bitloop::search {

Candidates::Candidates(const Problem& problem, std::uint64_t seed)
    : space_(problem.space),
      cost_(cost_of(problem.space, problem.costs, problem.objective.measure)),
      limit_(problem.objective.limit),
      cheapest_(cheapest(problem.space, problem.costs.local(problem.objective.measure)).assignment),
      highest_(problem.space.highest()),
      random_(seed) {}

Assignment Candidates::mutated(Assignment assignment) {
  std::vector<int> free;
  for (int d = 0; d < space_.size(); ++d)
    if (space_.decisions[d].size() > 1) free.push_back(d);
  if (free.empty()) return assignment;
  const int d = free[below(static_cast<int>(free.size()))];
  const int other = below(space_.decisions[d].size() - 1);
  assignment[d] = other < assignment[d] ? other : other + 1;
  return assignment;
}

Assignment Candidates::projected(Assignment assignment) {
  return keeps(assignment) ? assignment : border(cheapest_, assignment);
}

Assignment Candidates::settled(Assignment assignment) {
  assignment = projected(std::move(assignment));
  return keeps(highest_) ? assignment : border(std::move(assignment), highest_);
}

Assignment Candidates::border(Assignment kept, const Assignment& exceeding) {
  std::vector<int> steps;  // a decision each, one choice further
  for (int d = 0; d < space_.size(); ++d)
    steps.insert(steps.end(), static_cast<std::size_t>(std::abs(exceeding[d] - kept[d])), d);
  for (std::size_t i = steps.size(); i > 1; --i) std::swap(steps[i - 1], steps[random_() % i]);
  const auto after = [&](std::size_t count) {
    Assignment assignment = kept;
    for (std::size_t i = 0; i < count; ++i)
      assignment[steps[i]] += exceeding[steps[i]] < kept[steps[i]] ? -1 : 1;
    return assignment;
  };
  std::size_t keeping = 0;
  for (std::size_t not_keeping = steps.size(); not_keeping > keeping + 1;) {
    const std::size_t middle = (keeping + not_keeping) / 2;
    (keeps(after(middle)) ? keeping : not_keeping) = middle;
  }
  return after(keeping);
}

}  // namespace bitloop::search
