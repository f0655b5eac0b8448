#pragma once

#include <string>
#include <vector>

#include "agent/run/stage.h"
#include "agent/trial/trial.h"

namespace bitloop::agent {

/// A method of which a run shows the result: its own, or one that stands beside it.
struct Line {
  std::string name{};
  std::vector<search::Step> steps{};
  std::string note{};  ///< search::Searcher::note

  [[nodiscard]] double evaluations() const { return steps.empty() ? 0 : steps.back().spent; }
  [[nodiscard]] int episodes() const;
};

/// Runs the configuration's method and its lines side by side, each for so many evaluations, or goes on where
/// their logs end; the method first. The best policy of the method so far is kept in the folder, and
/// what the probes of the first line that asked any say (sensitivities.h). Lines draw other numbers than the
/// method.
std::vector<Line> run_lines(const Stage& stage);

}  // namespace bitloop::agent
