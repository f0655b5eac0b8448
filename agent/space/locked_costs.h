#pragma once

#include <memory>

#include "agent/space/costs.h"

namespace bitloop::search {

/// A cost model that any thread may ask, of one that takes one at a time.
std::unique_ptr<CostModel> locked(std::unique_ptr<CostModel> model);

}  // namespace bitloop::search
