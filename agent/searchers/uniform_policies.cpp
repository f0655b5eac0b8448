#include "agent/searchers/uniform_policies.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace bitloop::search {
namespace {

constexpr const char* kWeight = "weight";

}  // namespace

std::vector<std::vector<double>> effects_by_width(const Space& space) {
  std::vector<std::vector<double>> effects;
  for (const Decision& decision : space.decisions) {
    effects.emplace_back();
    for (const Choice& choice : decision.choices)
      effects.back().push_back(std::pow(4.0, -choice.bits) - std::pow(4.0, -decision.choices.back().bits));
  }
  return effects;
}

std::vector<Assignment> uniform_within(const Problem& problem) {
  const Space& space = problem.space;
  const Ground ground(problem);
  const auto effects = effects_by_width(space);
  std::set<double> weights, others;
  for (const Decision& decision : space.decisions) {
    for (const Choice& choice : decision.choices)
      (decision.kind == kWeight ? weights : others).insert(choice.bits);
  }
  if (weights.empty()) weights.insert(8);
  if (others.empty()) others.insert(8);
  std::vector<std::pair<double, Assignment>> found;
  for (const double weight_bits : weights) {
    for (const double other_bits : others) {
      Assignment assignment = space.highest();
      for (int i = 0; i < space.size(); ++i)
        assignment[i] =
            nearest(space.decisions[i], space.decisions[i].kind == kWeight ? weight_bits : other_bits);
      if (ground.cost(assignment) > problem.objective.limit)
        assignment = ground.projection.filled(ground.projection.by_effect(assignment, effects), effects);
      const auto same = [&](const auto& other) { return other.second == assignment; };
      if (std::ranges::none_of(found, same))
        found.emplace_back(-ground.cost(assignment), std::move(assignment));
    }
  }
  std::ranges::stable_sort(found, {}, [](const auto& entry) { return entry.first; });
  std::vector<Assignment> assignments;
  for (auto& [cost, assignment] : found) assignments.push_back(std::move(assignment));
  return assignments;
}

}  // namespace bitloop::search
