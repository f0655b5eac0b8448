#pragma once

#include <functional>
#include <string>

#include "agent/evaluation/evaluator.h"
#include "agent/run/search_config.h"
#include "host/network/network.h"
#include "quant/data/dataset.h"

namespace bitloop::agent {

/// Told how far a stage of the search is: its title, 0..1, and what matters now.
using SearchObserver = std::function<void(const std::string& stage, double done, const std::string& note)>;

/// What the stages of one search share: uniform lines, methods, final retraining.
struct Stage {
  const SearchConfig& config;
  const host::Network& network;
  const quant::Dataset& data;
  Evaluator& evaluator;  ///< shared by all methods, so that none trains again what another has
  const SearchObserver& observer;
};

}  // namespace bitloop::agent
