#pragma once

#include <memory>

#include "agent/tables/table.h"
#include "agent/tables/task.h"

namespace bitloop::search {

/// A table as a task. Costs of what is missing are infinite; local costs are one term over all decisions.
std::unique_ptr<Task> table_task(Table table);

}  // namespace bitloop::search
