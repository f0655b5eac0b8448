#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "agent/environment/budget.h"
#include "agent/evaluation/cycle_meter.h"
#include "agent/run/finalists.h"

namespace bitloop::agent {

/// summary.json of a finished search: the best policy, its layers and segments, the other lines, and which of
/// them are clearly more accurate within the budget.
nlohmann::ordered_json search_summary(const Stage& stage, BudgetProjection& projection, CycleMeter& meter,
                                      double float_accuracy, const Finalist& best,
                                      const std::vector<Finalist>& lines);

}  // namespace bitloop::agent
