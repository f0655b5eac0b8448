#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "agent/comparison/budget.h"
#include "agent/run/finalists.h"
#include "agent/run/laboratory.h"
#include "agent/run/run_folder.h"
#include "agent/run/search_config.h"
#include "agent/run/stage.h"

namespace bitloop::agent {

/// One whole search, from its configuration to the summary: the method and its lines side by side, each with
/// the same number of evaluations, and the end of the search (design, Rulings).
class Search {
 public:
  /// `pools`: one per hardware configuration that policies may be put on. `store`: of measured cycles, or
  /// null; changes no result. `progress` of measuring what single layers
  /// cost. Opens network, data and device and checks that the budget can be reached; writes nothing. Throws
  /// InputError for whatever the user got wrong. Fills in the configuration's version and fingerprint where
  /// they are empty.
  Search(SearchConfig config, const std::string& version, Laboratory::Pools pools, int workers,
         std::unique_ptr<host::MeasurementStore> store, host::SegmentMeter::Progress progress);

  [[nodiscard]] const SearchConfig& config() const { return config_; }
  /// What was assumed of the task, and hardware that cannot run the network.
  [[nodiscard]] std::vector<std::string> notes() const;

  /// Runs in a folder that was created for this configuration, or goes on there. Returns the summary, which
  /// is in the folder then. `shared`: outcomes of all runs, or null; changes no result.
  nlohmann::ordered_json run(const RunFolder& folder, std::shared_ptr<OutcomeStore> shared,
                             const SearchObserver& observer);

 private:
  quant::FloatCheckpoint open(const RunFolder& folder, std::shared_ptr<OutcomeStore> shared,
                              const SearchObserver& observer);
  [[nodiscard]] search::Objective objective(const search::Answer& origin) const;
  [[nodiscard]] std::string outlook(const search::Answer& origin) const;

  void write_points(const RunFolder& folder, const Stage& stage, double float_accuracy,
                    const std::vector<Finalist>& finalists, const std::vector<std::size_t>& front) const;

  SearchConfig config_;
  int workers_;
  Laboratory laboratory_;
  search::Budget budget_;
};

}  // namespace bitloop::agent
