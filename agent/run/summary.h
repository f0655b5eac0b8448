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

}  // namespace bitloop::agent
