#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "agent/budget.h"
#include "agent/cycle_meter.h"
#include "agent/environment.h"
#include "agent/episodes.h"
#include "agent/run_folder.h"
#include "agent/search_config.h"
#include "quant/data/dataset.h"
#include "quant/evaluation.h"

namespace bitloop::agent {

/// Told how far a stage of the search is: its title, 0..1, and what matters now.
using SearchObserver = std::function<void(const std::string& stage, double done, const std::string& note)>;

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

  /// Runs in a folder that was created for this configuration, or goes on there. Returns the summary, which
  /// is in the folder then.
  nlohmann::ordered_json run(const RunFolder& folder, const SearchObserver& observer);

 private:
  struct Finalist;

  quant::FloatCheckpoint prepare(const RunFolder& folder, const SearchObserver& observer);
  std::vector<Episode> run_uniform_lines(const RunFolder& folder, const SearchObserver& observer);
  std::vector<Episode> run_method(const std::string& method, const std::filesystem::path& log,
                                  const Environment& environment, const SearchObserver& observer,
                                  const std::filesystem::path& best_policy);
  std::vector<Finalist> retrain_finalists(const std::vector<Episode>& method,
                                          const std::vector<Episode>& random, const SearchObserver& observer);
  nlohmann::ordered_json summary(const Finalist& best, const std::vector<Finalist>& lines);
  [[nodiscard]] nlohmann::ordered_json line_json(const Finalist& finalist);

  SearchConfig config_;
  std::shared_ptr<host::DevicePool> devices_;
  int workers_;
  Task task_;
  const host::Network& network_ = task_.model.network;
  const quant::Dataset& data_ = task_.data;
  SearchSpace space_;
  CycleMeter meter_;
  BudgetProjection projection_;
  std::shared_ptr<const quant::Quantizer> quantizer_;
  std::vector<double> weight_deviations_;
  double float_accuracy_ = 0;
  std::unique_ptr<Evaluator> workers_evaluator_;
  std::unique_ptr<RememberingEvaluator> evaluator_;
};

}  // namespace bitloop::agent
