#include "agent/run/laboratory.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "agent/space/locked_costs.h"
#include "host/base/error.h"
#include "quant/model/geometry.h"

namespace bitloop::agent {
namespace {

const host::Network& classifier(const Task& task) {
  quant::require_classifier(task.model.network);
  return task.model.network;
}

/// The one with the most memory on chip first: what it cannot run, no other can.
Laboratory::Pools by_memory(Laboratory::Pools pools) {
  const auto rows = [](const std::shared_ptr<host::DevicePool>& pool) {
    const host::HardwareInfo& info = pool->hardware();
    return info.activation_rows * info.pixels + info.weight_rows * info.filters;
  };
  std::ranges::stable_sort(pools, [&](const auto& a, const auto& b) { return rows(a) > rows(b); });
  return pools;
}

void require_one_clock(const Laboratory::Pools& pools) {
  const host::HardwareInfo& first = pools.front()->hardware();
  for (const auto& pool : pools) {
    if (pool->hardware().clock_hz == first.clock_hz) continue;
    throw InputError(fmt::format(
        "hardware {} runs at {:g} MHz and {} at {:g}: cycles of different clocks do not compare, leave one "
        "out",
        first.name, first.clock_hz / 1e6, pool->hardware().name, pool->hardware().clock_hz / 1e6));
  }
}

}  // namespace

Laboratory::Laboratory(const TaskSpec& spec, const SpaceSpec& space, Pools pools, search::Measure by,
                       std::unique_ptr<host::MeasurementStore> store, host::SegmentMeter::Progress progress)
    : opened_(open_task(spec)), store_(std::move(store)) {
  require_one_clock(pools);
  const bool only = pools.size() == 1;
  pools = by_memory(std::move(pools));
  policies_ = std::make_unique<PolicySpace>(classifier(opened_),
                                            PolicySpaceOptions{.rules = rules_of(space.rules),
                                                               .grouping = grouping_of(space.group),
                                                               .widths = space.widths,
                                                               .pinned = space.pinned,
                                                               .hardware = pools.front()->hardware()});
  for (const auto& pool : pools) {
    try {
      add_hardware(pool, progress);
    } catch (const InputError& error) {
      if (only) throw;
      refusals_.push_back(fmt::format("{}: {}", pool->hardware().name, error.what()));
    }
  }
  if (hardware_.empty())
    throw InputError(
        fmt::format("no hardware of the space can run {}: {}", network().name, refusals_.front()));
  std::vector<search::CostModel*> models;
  for (const Hardware& hardware : hardware_) models.push_back(hardware.costs.get());
  cheapest_ = std::make_unique<search::CheapestCosts>(policies_->space(), models, by);
  costs_ = hardware_.size() == 1 ? models.front() : cheapest_.get();
}

void Laboratory::add_hardware(std::shared_ptr<host::DevicePool> devices,
                              const host::SegmentMeter::Progress& progress) {
  Hardware hardware{.devices = std::move(devices)};
  hardware.meter = std::make_unique<host::SegmentMeter>(hardware.devices, store_.get());
  auto costs = std::make_unique<PolicyCosts>(
      *policies_, *hardware.meter, host::load_energy_profile(host::energy_profile_names().front()), progress);
  hardware.policy_costs = costs.get();
  hardware.costs = search::locked(std::move(costs));
  hardware_.push_back(std::move(hardware));
}

void Laboratory::open(const quant::FloatCheckpoint& weights, EvaluationRecipe recipe,
                      std::shared_ptr<OutcomeStore> outcomes) {
  quantizer_ = std::make_shared<const quant::Quantizer>(network(), weights, opened_.data);
  policies_->set_weight_deviations(weights.weight_deviations());
  recipe.context = fmt::format("{} {}", weights.content_hash(), opened_.data.split_hash);
  task_ = std::make_unique<NetworkTask>(*policies_, *costs_, opened_.data, quantizer_, std::move(recipe),
                                        std::move(outcomes));
}

}  // namespace bitloop::agent
