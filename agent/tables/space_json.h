#pragma once

#include <nlohmann/json_fwd.hpp>

#include "agent/space/space.h"

namespace bitloop::search {

/// `name`, `features` and `decisions` of a file, as docs/tables.md defines them. Throws InputError, or a JSON
/// exception, where they make no space.
Space space_from(const nlohmann::json& file);
/// The reverse, but for the name.
void add_space(nlohmann::ordered_json& file, const Space& space);

}  // namespace bitloop::search
