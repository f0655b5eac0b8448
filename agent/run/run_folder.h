#pragma once

#include <filesystem>

#include "agent/run/search_config.h"
#include "quant/model/quantized_model.h"

namespace bitloop::agent {

/// The folder of one search. Files are complete or absent, whenever the process is killed:
///
///   config.toml        everything that fixes the run, with version and fingerprint
///   checkpoint.pt      the float network that every policy starts from
///   lines/uniform.csv  episodes of the uniform lines (episode_log.h); lines/random.csv those of random
///   search episodes.csv       episodes of the searcher; they are its state too, which a replay of them
///   rebuilds policy.json        best policy so far, at the end the chosen one quantized.bin      integers of
///   the chosen policy after the final retraining summary.json       result, written last
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
  [[nodiscard]] std::filesystem::path policy() const { return path_ / "policy.json"; }
  [[nodiscard]] std::filesystem::path quantized() const { return path_ / "quantized.bin"; }
  [[nodiscard]] std::filesystem::path summary() const { return path_ / "summary.json"; }

  [[nodiscard]] bool holds_run() const { return std::filesystem::exists(config()); }

  /// Throws InputError where a new run cannot start here: the folder holds a run, or strange files. Writes
  /// nothing.
  void check_free() const;
  /// Makes the folder, with this configuration.
  void create(const SearchConfig& config) const;
  /// Removes the temporary files (`NAME.PID.tmp`) of processes that are gone; those of a living one stay.
  void remove_stale_temporaries() const;

 private:
  std::filesystem::path path_;
};

/// Opens the folder of a finished run; throws InputError where there is none, or it is not finished.
RunFolder open_finished_run(const std::filesystem::path& path);

/// The stored integers of a finished run. Throws InputError where they were trained with other images than
/// `data`.
quant::QuantizedModel load_model(const RunFolder& run, const quant::Dataset& data);

}  // namespace bitloop::agent
