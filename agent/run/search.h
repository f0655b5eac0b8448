#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "agent/environment/budget.h"
#include "agent/evaluation/cycle_meter.h"
#include "agent/evaluation/evaluator.h"
#include "agent/run/run_folder.h"
#include "agent/run/search_config.h"
#include "agent/run/stage.h"
#include "quant/data/dataset.h"
#include "quant/retraining/quantizer.h"

namespace bitloop::agent {

/// One whole search, from its configuration to the summary: uniform lines, the method, the random line with
/// the same number of evaluations, and the end of the search (design, Rulings).
class Search {
 public:
  /// `store`: of measured cycles, or null; changes no result.
  /// Opens network, data and device and checks that the budget can be reached; writes nothing. Throws
  /// InputError for whatever the user got wrong. Fills in the configuration's version and fingerprint where
  /// they are empty.
  Search(SearchConfig config, const std::string& version, std::shared_ptr<host::DevicePool> devices,
         int workers, std::unique_ptr<host::MeasurementStore> store);

  [[nodiscard]] const SearchConfig& config() const { return config_; }
  /// What was assumed of the task; empty: nothing.
  [[nodiscard]] const std::string& note() const { return task_.note; }

  /// Runs in a folder that was created for this configuration, or goes on there. Returns the summary, which
  /// is in the folder then.
  nlohmann::ordered_json run(const RunFolder& folder, const SearchObserver& observer);

 private:
  quant::FloatCheckpoint prepare(const RunFolder& folder, const SearchObserver& observer);

  SearchConfig config_;
  std::shared_ptr<host::DevicePool> devices_;
  int workers_;
  Task task_;
  const host::Network& network_ = task_.model.network;
  const quant::Dataset& data_ = task_.data;
  CycleMeter meter_;
  SearchSpace space_;
  BudgetProjection projection_;
  std::shared_ptr<const quant::Quantizer> quantizer_;
  std::unique_ptr<Evaluator> workers_evaluator_;
  std::unique_ptr<RememberingEvaluator> evaluator_;
};

}  // namespace bitloop::agent
