#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "agent/run/files.h"
#include "agent/space/costs.h"

namespace bitloop::agent {

/// A policy that a searcher proposed and what became of it.
struct Episode {
  int number = 0;        ///< from 1
  std::string policy{};  ///< host::Policy::key
  double accuracy = 0;   ///< top-1 on the images of an evaluation, 0..1
  double loss = 0;       ///< mean cross entropy there
  search::Costs costs{};
  double cost_ratio = 0;    ///< cycles / cycles at w8a8
  double reward = 0;        ///< search::Searcher::reward
  double seconds = 0;       ///< that the evaluation took when it was made
  bool remembered = false;  ///< asked for before in this search: an episode, but no evaluation
  double spent = 0;         ///< evaluations up to and with this one, probes included
};

/// The rows of an episode log, locked or not; a torn last row is left out. Throws InputError where a row is
/// no episode.
std::vector<Episode> read_episodes(const std::filesystem::path& path);

/// The episodes of one searcher in a CSV file, one row each: episode, policy, accuracy, loss, cycles,
/// cost_ratio, reward, seconds, remembered, joules, bytes, spent. Rows of an earlier process are kept; a run
/// that goes on passes them again, which is checked, and only then adds new ones.
class EpisodeLog {
 public:
  /// Creates the file or reads what it holds; a torn last row is dropped. Throws InputError where a row is no
  /// episode.
  explicit EpisodeLog(const std::filesystem::path& path);

  /// Rows that the file held when it was opened.
  [[nodiscard]] const std::vector<Episode>& recorded() const { return recorded_; }

  /// Episodes in order of their numbers. Those recorded already must be the same ones, else the run cannot go
  /// on here and Error says so.
  void append(std::span<const Episode> episodes);

 private:
  std::filesystem::path path_;
  LineFile file_;
  std::vector<Episode> recorded_;
};

}  // namespace bitloop::agent
