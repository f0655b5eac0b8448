#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "agent/tables/table.h"
#include "agent/tables/task.h"

namespace bitloop::search {

/// A table of this program's (JSON) or a foreign one (`.csv`: a column per decision, then `accuracy` and at
/// least one of `cycles`, `energy`, `bytes`; also `loss` and `test_accuracy`). Throws InputError with file,
/// row and what to do.
Table load_table(const std::filesystem::path& path);

/// The same, or a surrogate (surrogate.h), as a task. `note` is told what a table lacks.
std::unique_ptr<Task> load_task(const std::filesystem::path& path,
                                const std::function<void(const std::string&)>& note);

}  // namespace bitloop::search
