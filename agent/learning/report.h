#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace bitloop::learning {

/// What a user sees at the end of a search, from its summary.json: the best policy layer by layer, then the
/// lines.
std::string search_report(const nlohmann::ordered_json& summary);
/// The lines of the comparison as CSV.
std::string search_csv(const nlohmann::ordered_json& summary);

}  // namespace bitloop::learning
