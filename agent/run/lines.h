#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/run/stage.h"
#include "agent/trial/trial.h"

namespace bitloop::agent {

/// A method of which a run shows the result: its own, or one that stands beside it.
struct Line {
  std::string name{};
  std::vector<search::Step> steps{};
  std::string note{};                     ///< search::Searcher::note
  std::optional<std::size_t> hardware{};  ///< on which all its policies are; none: each where it is cheapest

  [[nodiscard]] double evaluations() const { return steps.empty() ? 0 : steps.back().spent; }
  [[nodiscard]] int episodes() const;
};

/// Lines of a search over several hardware configurations, beside those of methods: the search's own method
/// on the default hardware, and on that which is the fastest at 8 bits (first the hardware, then the policy).
inline constexpr std::string_view kDefaultHardwareLine = "default-hardware";
inline constexpr std::string_view kInTurnLine = "in-turn";

/// Runs the configuration's method and its lines side by side, each for so many evaluations, or goes on where
/// their logs end; the method first. The best policy of the method so far is kept in the folder, and
/// what the probes of the first line that asked any say (sensitivities.h). Lines draw other numbers than the
/// method.
std::vector<Line> run_lines(const Stage& stage);

}  // namespace bitloop::agent
