#pragma once

#include <filesystem>

#include "agent/run/search_config.h"
#include "quant/model/quantized_model.h"

namespace bitloop::agent {

/// The folder of one search, whole in itself but for the images. Files are complete or absent, whenever the
/// process is killed:
///
///   config.toml        everything that fixes the run, with version and fingerprint
///   source/            files that the network and its classes came from
///   checkpoint.pt      the float weights that every policy starts from
///   outcomes.sqlite    what evaluations answered: with it a run goes on where it was killed
///   episodes.csv       what the method proposed (episode_log.h); lines/NAME.csv the same of each line
///   sensitivities.csv  what each choice does alone, by the measures asked for and by probes of the lines
///   policy.json        best policy so far, at the end the chosen one
///   quantized.bin      integers of the chosen policy after the final retraining
///   front.csv          of a search over several hardware configurations what none beats in accuracy, cycles,
///                      energy and area together (hardware_front.h)
///   points/N/          of such a search each point of its front, as a run
///   summary.json       result, written last
class RunFolder {
 public:
  explicit RunFolder(std::filesystem::path path) : path_(std::move(path)) {}

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::filesystem::path config() const { return path_ / "config.toml"; }
  [[nodiscard]] std::filesystem::path checkpoint() const { return path_ / "checkpoint.pt"; }
  [[nodiscard]] std::filesystem::path episodes() const { return path_ / "episodes.csv"; }
  [[nodiscard]] std::filesystem::path line(const std::string& name) const {
    return path_ / "lines" / (name + ".csv");
  }
  [[nodiscard]] std::filesystem::path source() const { return path_ / "source"; }
  [[nodiscard]] std::filesystem::path outcomes() const { return path_ / "outcomes.sqlite"; }
  [[nodiscard]] std::filesystem::path sensitivities() const { return path_ / "sensitivities.csv"; }
  [[nodiscard]] std::filesystem::path policy() const { return path_ / "policy.json"; }
  [[nodiscard]] std::filesystem::path quantized() const { return path_ / "quantized.bin"; }
  [[nodiscard]] std::filesystem::path summary() const { return path_ / "summary.json"; }

  [[nodiscard]] std::filesystem::path front() const { return path_ / "front.csv"; }
  [[nodiscard]] std::filesystem::path points() const { return path_ / "points"; }

  [[nodiscard]] bool holds_run() const { return std::filesystem::exists(config()); }

  /// Throws InputError where a new run cannot start here: the folder holds a run, or strange files. Writes
  /// nothing.
  void check_free() const;
  /// Makes the folder, with this configuration and copies of its network and classes where they are files.
  void create(SearchConfig config) const;
  /// Lets its run go on to more evaluations and episodes; it is not finished then.
  void extend(int evaluations, int episodes) const;
  /// Removes the temporary files (`NAME.PID.tmp`) of processes that are gone; those of a living one stay.
  void remove_stale_temporaries() const;

 private:
  std::filesystem::path path_;
};

/// Opens the folder of a finished run; throws InputError where there is none, or it is not finished.
RunFolder open_finished_run(const std::filesystem::path& path);

/// The hardware that a finished run chose; of a configuration with one hardware, that.
std::string chosen_hardware(const RunFolder& run);

/// The stored integers of a finished run. Throws InputError where they were trained with other images than
/// `data`.
quant::QuantizedModel load_model(const RunFolder& run, const quant::Dataset& data);

}  // namespace bitloop::agent
