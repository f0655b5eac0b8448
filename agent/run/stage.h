#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "agent/run/laboratory.h"
#include "agent/run/run_folder.h"
#include "agent/run/search_config.h"
#include "agent/space/searcher.h"

namespace bitloop::agent {

/// Told how far a stage of the search is: its title, 0..1, and what matters now. One thread at a time.
using SearchObserver = std::function<void(const std::string& stage, double done, const std::string& note)>;

/// What the stages of one search share.
struct Stage {
  const SearchConfig& config;
  const RunFolder& folder;
  Laboratory& laboratory;
  const search::Problem& problem;
  search::Evaluator& evaluator;  ///< of all lines, so that none evaluates again what another has; any thread
  int workers = 1;
  const SearchObserver& observer;
};

/// Answers to queries, some at a time, so that a stage of this title tells how far it is.
std::vector<search::Answer> evaluated(const Stage& stage, const std::string& title,
                                      std::span<const search::Query> queries);

}  // namespace bitloop::agent
