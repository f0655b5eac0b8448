#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "agent/evaluation/task.h"
#include "agent/run/laboratory.h"
#include "quant/retraining/retraining.h"

namespace bitloop::agent {

/// Everything that fixes a search: with the same configuration, build and machine kind a run repeats exactly.
struct SearchConfig {
  TaskSpec task;
  std::string source;  ///< the .onnx file that the run's network was copied from; else empty
  SpaceSpec space;
  std::string method = "ours";
  std::string budget = "0.6";        ///< search::budget_of
  std::string budget_of = "cycles";  ///< what a budget without a unit is a share of: cycles, energy or size
  int evaluations = 60;              ///< of the method, and of each line, at most
  int planned = 60;                  ///< evaluations when the run started: schedules follow it
  int episodes = 0;                  ///< proposals at most, remembered ones included; 0: no limit
  std::uint64_t seed = 1;
  int batch = 0;  ///< queries that a searcher asks at once; 0: its own
  std::vector<std::string> lines = {"uniform", "random", "greedy", "solver"};
  std::vector<std::string> sensitivities = {"fisher", "sqnr"};  ///< sensitivity_names

  std::string device = "sim";  ///< separated by commas; which of them ran what changes no result
  bool insecure = false;
  std::string hardware = "default";  ///< several, separated by semicolons: each policy is on the cheapest
  bool chooses_hardware = false;     ///< of a space, of which `hardware` is what fits
  std::string chip{};                ///< that it was chosen to fit; empty: none
  std::string memory = "ddr8";

  std::string objective = "accuracy";  ///< or cycles, energy, size, pareto
  std::optional<double> accuracy_floor;
  std::optional<double> drop;  ///< allowed from the highest assignment's accuracy
  bool cost_in_reward = false;
  std::optional<double> accuracy_limit;

  int reward_images = 0;               ///< of an evaluation; 0: half of the reward split
  quant::Retraining retraining;        ///< of every evaluation
  quant::Retraining final_retraining;  ///< of the best policies at the end

  // Filled in when the run starts; a run goes on only where they are still the same.
  std::string version;
  std::string fingerprint;
};

/// Writes to a temporary name, then renames. Network and classes in folders below the file's own are written
/// relative to it, so that the whole can be moved.
void save_config(const SearchConfig& config, const std::filesystem::path& path);
/// Throws InputError, naming the file, where it is no configuration.
SearchConfig load_config(const std::filesystem::path& path);

}  // namespace bitloop::agent
