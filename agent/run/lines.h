#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "agent/run/stage.h"
#include "agent/searchers/searcher.h"

namespace bitloop::agent {

/// Whether the configuration names this line for comparison: `uniform` or `random`.
bool asks_for(const SearchConfig& config, const std::string& line);

/// Evaluates the uniform lines; where none are asked for, w8a8 alone, which is the origin of every reward. It
/// is the first episode.
std::vector<Episode> run_uniform_lines(const Stage& stage, const std::filesystem::path& log);

}  // namespace bitloop::agent
