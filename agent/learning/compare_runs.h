#pragma once

#include <string>
#include <vector>

#include "agent/console/options.h"

namespace bitloop::learning {

/// Prints finished runs side by side (agent/run/run_comparison.h).
void compare_runs(const std::vector<std::string>& folders, console::Format format);

}  // namespace bitloop::learning
