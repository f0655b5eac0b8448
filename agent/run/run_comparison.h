#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "agent/run/episode_log.h"

namespace bitloop::agent {

/// A finished run, as far as it is compared with others.
struct RunResult {
  std::string name;                ///< its folder, as the user gave it
  nlohmann::ordered_json summary;  ///< summary.json
  struct Policy {
    std::string line;  ///< that proposed it
    std::string key;
    double cycles = 0;
    double accuracy = 0;  ///< on the images of the search
  };
  std::vector<Policy> evaluated;  ///< all that its method and lines proposed
};

/// Throws InputError where the folder holds no finished run of this version.
RunResult load_result(const std::filesystem::path& folder);

/// Runs side by side; docs/search.md says what stands in it:
/// - `runs`: of each what it searched and its best policy, with test accuracy;
/// - `pairs`: of each two, what the best of one (as its search saw it) is worth against all that the other
///   evaluated: accuracy at no more cycles, with the 95 % interval of the difference; and cycles at no less
///   accuracy;
/// - `front`: of all that they evaluated, what no other policy beats in both.
/// Throws InputError where networks or data differ: their accuracies say nothing about each other.
nlohmann::ordered_json compare_runs(const std::vector<RunResult>& runs);

}  // namespace bitloop::agent
