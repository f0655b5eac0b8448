#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "agent/comparison/budget.h"
#include "agent/run/finalists.h"

namespace bitloop::agent {

/// summary.json of a finished search: the best policy, its layers and segments, the other lines, and which of
/// them are clearly more accurate within the budget. `finalists`: tested; `best`: index of the best of all.
nlohmann::ordered_json search_summary(const Stage& stage, const search::Budget& budget, double float_accuracy,
                                      const std::vector<Finalist>& finalists, std::size_t best);

/// Of a search over several hardware configurations, for the method and each line: the points of its front
/// that were retrained, with their hardware; the hypervolume of all that it evaluated (accuracy against the
/// share of the all-8-bit cost, on the images of the search); and which points of the method's front one of
/// the line's is clearly more accurate than at no more cost, on the test split.
nlohmann::ordered_json fronts_json(const Stage& stage, const std::vector<Line>& lines,
                                   const std::vector<Finalist>& finalists);

}  // namespace bitloop::agent
