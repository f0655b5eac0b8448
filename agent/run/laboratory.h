#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/evaluation/network_task.h"
#include "agent/evaluation/policy_costs.h"
#include "agent/evaluation/task.h"
#include "agent/space/cheapest_costs.h"
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

/// A network on its data with the space of its policies, and hardware with what they cost on it; with weights
/// also a task on which searchers are run. Of several hardware configurations each policy is on the one where
/// it is cheapest: accuracy does not depend on it.
class Laboratory {
 public:
  using Pools = std::vector<std::shared_ptr<host::DevicePool>>;

  /// Opens network and data; no weights yet. `pools`: one per hardware, all of one clock; `by`: what is
  /// cheapest. `store`: of measured cycles, or null; `progress` of measuring what single layers cost.
  /// Hardware that cannot run the network is left out (`refusals`). Throws InputError, too where none is
  /// left.
  Laboratory(const TaskSpec& spec, const SpaceSpec& space, Pools pools, search::Measure by,
             std::unique_ptr<host::MeasurementStore> store, host::SegmentMeter::Progress progress = {});
  /// On one hardware.
  Laboratory(const TaskSpec& spec, const SpaceSpec& space, std::shared_ptr<host::DevicePool> devices,
             std::unique_ptr<host::MeasurementStore> store, host::SegmentMeter::Progress progress = {})
      : Laboratory(spec, space, Pools{std::move(devices)}, search::Measure::cycles, std::move(store),
                   std::move(progress)) {}

  /// Gives it weights and a recipe, whose context it fills in. Once.
  void open(const quant::FloatCheckpoint& weights, EvaluationRecipe recipe,
            std::shared_ptr<OutcomeStore> outcomes);

  [[nodiscard]] const Task& opened() const { return opened_; }
  [[nodiscard]] const host::Network& network() const { return opened_.model.network; }
  [[nodiscard]] const PolicySpace& policies() const { return *policies_; }

  [[nodiscard]] std::size_t hardware_count() const { return hardware_.size(); }
  [[nodiscard]] host::DevicePool& devices(std::size_t hardware = 0) { return *hardware_[hardware].devices; }
  [[nodiscard]] host::SegmentMeter& meter(std::size_t hardware = 0) { return *hardware_[hardware].meter; }
  /// Why hardware was left out, each with its name.
  [[nodiscard]] const std::vector<std::string>& refusals() const { return refusals_; }

  /// On the cheapest hardware; and on one. Any thread may ask.
  [[nodiscard]] search::CostModel& costs() { return *costs_; }
  [[nodiscard]] search::CostModel& costs_on(std::size_t hardware) { return *hardware_[hardware].costs; }
  /// The hardware on which an assignment is cheapest, and all-8-bit policies are.
  [[nodiscard]] std::size_t cheapest(const search::Assignment& assignment) {
    return cheapest_->cheapest(assignment);
  }
  [[nodiscard]] std::size_t cheapest_reference() const { return cheapest_->cheapest_reference(); }
  /// Costs of any policy, of the space or not, on one hardware; and segments that ran for costs so far. Not
  /// while searches run.
  [[nodiscard]] search::Costs costs(const host::Policy& policy, std::size_t hardware = 0) {
    return hardware_[hardware].policy_costs->costs(policy);
  }
  [[nodiscard]] std::size_t measured() const { return costs_->measured(); }

  // After `open`:
  [[nodiscard]] NetworkTask& task() { return *task_; }
  [[nodiscard]] const quant::Quantizer& quantizer() const { return *quantizer_; }

 private:
  struct Hardware {
    std::shared_ptr<host::DevicePool> devices;
    std::unique_ptr<host::SegmentMeter> meter{};
    std::unique_ptr<search::CostModel> measured{};   ///< any thread
    PolicyCosts* policy_costs = nullptr;             ///< in `measured`
    std::unique_ptr<search::CheapestCosts> costs{};  ///< the same; what it cannot run costs infinitely much
  };
  void add_hardware(std::shared_ptr<host::DevicePool> devices, search::Measure by,
                    const host::SegmentMeter::Progress& progress);

  Task opened_;
  std::unique_ptr<host::MeasurementStore> store_;
  std::unique_ptr<PolicySpace> policies_;
  std::vector<Hardware> hardware_;
  std::vector<std::string> refusals_;
  std::unique_ptr<search::CheapestCosts> cheapest_;
  search::CostModel* costs_ = nullptr;  ///< `cheapest_`, or that of the one hardware
  std::shared_ptr<const quant::Quantizer> quantizer_;
  std::unique_ptr<NetworkTask> task_;
};

}  // namespace bitloop::agent
