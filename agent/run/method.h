#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "agent/environment/environment.h"
#include "agent/run/stage.h"
#include "agent/searchers/searcher.h"

namespace bitloop::agent {

/// Runs the configuration's method, or a line for comparison, for `config.episodes` evaluations, or goes on
/// where `log` ends. The best policy so far is kept in `best_policy`; a line has none and draws other numbers
/// than the method.
std::vector<Episode> run_method(const Stage& stage, const std::string& method, const Environment& environment,
                                const std::filesystem::path& log,
                                const std::filesystem::path& best_policy = {});

}  // namespace bitloop::agent
