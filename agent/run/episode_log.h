#pragma once

#include <filesystem>
#include <vector>

#include "agent/run/files.h"
#include "agent/searchers/searcher.h"

namespace bitloop::agent {

/// The episodes of one searcher in a CSV file, one row each: episode, policy, accuracy, loss, cycles,
/// cost_ratio, reward, seconds, remembered. Rows of an earlier process are kept; a run that goes on passes
/// them again, which is checked, and only then adds new ones.
class EpisodeLog {
 public:
  /// Creates the file or reads what it holds; a torn last row is dropped. Throws InputError where a row is no
  /// episode of this network.
  EpisodeLog(const std::filesystem::path& path, const host::Network& network);

  /// Rows that the file held when it was opened.
  [[nodiscard]] const std::vector<Episode>& recorded() const { return recorded_; }

  /// Episodes in order of their numbers (from 1). Those recorded already must be the same ones, else the run
  /// cannot go on here and Error says so.
  void append(std::span<const Episode> episodes);

 private:
  std::filesystem::path path_;
  LineFile file_;
  std::vector<Episode> recorded_;
};

}  // namespace bitloop::agent
