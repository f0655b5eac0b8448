#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "agent/evaluation/task.h"
#include "quant/retraining/retraining.h"

namespace bitloop::agent {

/// Everything that fixes a search: with the same configuration, build and machine kind a run repeats exactly.
struct SearchConfig {
  TaskSpec task;
  std::string method = "ddpg";
  double budget = 0.6;
  int episodes = 60;  ///< evaluations
  std::uint64_t seed = 1;
  int batch = 2;
  std::vector<std::string> lines = {"uniform", "random"};

  std::string device = "sim";  ///< separated by commas; which of them ran what changes no result
  bool insecure = false;
  std::string hardware = "default";
  std::string memory = "ddr8";

  std::string objective = "accuracy";
  bool cost_in_reward = false;
  std::optional<double> accuracy_limit;
  bool tied_pairs = false;
  std::vector<std::string> pinned;

  quant::Retraining retraining;        ///< of every evaluation
  quant::Retraining final_retraining;  ///< of the best policies at the end

  // Filled in when the run starts; a run goes on only where they are still the same.
  std::string version;
  std::string fingerprint;
};

/// Writes to a temporary name, then renames.
void save_config(const SearchConfig& config, const std::filesystem::path& path);
/// Throws InputError, naming the file, where it is no configuration.
SearchConfig load_config(const std::filesystem::path& path);

}  // namespace bitloop::agent
