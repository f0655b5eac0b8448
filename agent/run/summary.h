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

/// To the summary of a search over several hardware configurations: `front`, its points (indices of
/// finalists); and `fronts`, for the method and each line: its own retrained points, the hypervolume of all
/// that it evaluated (accuracy against the share of the all-8-bit cost, on the images of the search), and
/// which points of the front one of its own is clearly more accurate than at no more cost, on the test split.
void add_fronts(nlohmann::ordered_json& summary, const Stage& stage, const std::vector<Line>& lines,
                const std::vector<Finalist>& finalists, const std::vector<std::size_t>& front);

}  // namespace bitloop::agent
