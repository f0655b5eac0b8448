#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/evaluation/network_task.h"
#include "agent/evaluation/policy_costs.h"
#include "agent/evaluation/task.h"
#include "host/driver/pool.h"

namespace bitloop::agent {

/// Which policies may be chosen, in the words of the command line.
struct SpaceSpec {
  std::string rules = "free";           ///< rules_of
  std::string group = "none";           ///< grouping_of
  std::vector<int> widths{1, 2, 4, 8};  ///< as far as legal
  std::vector<std::string> pinned{};    ///< layers that keep 8 bits
  bool operator==(const SpaceSpec&) const = default;
};

/// A network on its data and hardware with the space of its policies and what they cost; with weights also a
/// task on which searchers are run.
class Laboratory {
 public:
  /// Opens network and data; no weights yet. `store`: of measured cycles, or null; `progress` of measuring
  /// what single layers cost. Throws InputError.
  Laboratory(const TaskSpec& spec, const SpaceSpec& space, std::shared_ptr<host::DevicePool> devices,
             std::unique_ptr<host::MeasurementStore> store, host::SegmentMeter::Progress progress = {});

  /// Gives it weights and a recipe, whose context it fills in. Once.
  void open(const quant::FloatCheckpoint& weights, EvaluationRecipe recipe,
            std::shared_ptr<OutcomeStore> outcomes);

  [[nodiscard]] const Task& opened() const { return opened_; }
  [[nodiscard]] const host::Network& network() const { return opened_.model.network; }
  [[nodiscard]] host::DevicePool& devices() { return *devices_; }
  [[nodiscard]] host::SegmentMeter& meter() { return meter_; }
  [[nodiscard]] const PolicySpace& policies() const { return policies_; }
  [[nodiscard]] search::CostModel& costs() { return *costs_; }
  /// Costs of any policy, of the space or not; and segments that ran for costs so far. Not while searches
  /// run.
  [[nodiscard]] search::Costs costs(const host::Policy& policy) { return policy_costs_->costs(policy); }
  [[nodiscard]] std::size_t measured() const { return policy_costs_->measured(); }

  // After `open`:
  [[nodiscard]] NetworkTask& task() { return *task_; }
  [[nodiscard]] const quant::Quantizer& quantizer() const { return *quantizer_; }

 private:
  Task opened_;
  std::shared_ptr<host::DevicePool> devices_;
  std::unique_ptr<host::MeasurementStore> store_;
  host::SegmentMeter meter_;
  PolicySpace policies_;
  std::unique_ptr<search::CostModel> costs_;
  PolicyCosts* policy_costs_;  ///< in `costs_`
  std::shared_ptr<const quant::Quantizer> quantizer_;
  std::unique_ptr<NetworkTask> task_;
};

}  // namespace bitloop::agent
