#include "agent/run/laboratory.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "agent/space/locked_costs.h"
#include "host/base/error.h"
#include "host/base/parallel.h"
#include "host/compiler/compiler.h"
#include "quant/model/geometry.h"

namespace bitloop::agent {
namespace {

const host::Network& classifier(const Task& task) {
  quant::require_classifier(task.model.network);
  return task.model.network;
}

/// Builds what is to be built, and tests what is new here, side by side.
void admit(const Laboratory::Pools& pools) {
  const int workers = pools.size() == 1 ? 1 : static_cast<int>(std::thread::hardware_concurrency());
  host::parallel_for(static_cast<int>(pools.size()), std::max(1, workers), [&](int pool, int) {
    (void)pools[static_cast<std::size_t>(pool)]->hardware();
    if (pools.size() > 1) pools[static_cast<std::size_t>(pool)]->admit();
  });
}

/// Those that can run the network at 8 bits; why the others cannot goes to `refusals`.
Laboratory::Pools able(Laboratory::Pools pools, const host::Network& network,
                       std::vector<std::string>& refusals) {
  Laboratory::Pools able;
  for (auto& pool : pools) {
    const auto reason = host::reason_against(network, host::uniform_policy(network, 8, 8), pool->hardware());
    if (reason) {
      refusals.push_back(fmt::format("{}: {}", pool->hardware().name, *reason));
    } else {
      able.push_back(std::move(pool));
    }
  }
  if (able.empty())
    throw InputError(
        fmt::format("no hardware of the space can run {} at 8 bits; {}", network.name, refusals.front()));
  return able;
}

}  // namespace

Laboratory::Laboratory(const TaskSpec& spec, const SpaceSpec& space, Pools pools, search::Measure by,
                       std::unique_ptr<host::MeasurementStore> store, host::SegmentMeter::Progress progress)
    : opened_(open_task(spec)), store_(std::move(store)) {
  const host::Network& network = classifier(opened_);
  admit(pools);
  if (pools.size() > 1) pools = able(std::move(pools), network, refusals_);
  std::vector<host::HardwareInfo> hardware;
  for (const auto& pool : pools) hardware.push_back(pool->hardware());
  policies_ = std::make_unique<PolicySpace>(network, PolicySpaceOptions{.rules = rules_of(space.rules),
                                                                        .grouping = grouping_of(space.group),
                                                                        .widths = space.widths,
                                                                        .pinned = space.pinned,
                                                                        .hardware = std::move(hardware)});
  for (const auto& pool : pools) add_hardware(pool, by, progress);
  std::vector<search::CostModel*> models;
  for (const Hardware& each : hardware_) models.push_back(each.measured.get());
  cheapest_ = std::make_unique<search::CheapestCosts>(policies_->space(), models, by);
  costs_ = hardware_.size() == 1 ? models.front() : cheapest_.get();
}

void Laboratory::add_hardware(std::shared_ptr<host::DevicePool> devices, search::Measure by,
                              const host::SegmentMeter::Progress& progress) {
  Hardware hardware{.devices = std::move(devices)};
  hardware.meter = std::make_unique<host::SegmentMeter>(hardware.devices, store_.get());
  auto costs = std::make_unique<PolicyCosts>(
      *policies_, *hardware.meter, host::load_energy_profile(host::energy_profile_names().front()), progress);
  hardware.policy_costs = costs.get();
  hardware.measured = search::locked(std::move(costs));
  hardware.costs =
      std::make_unique<search::CheapestCosts>(policies_->space(), std::vector{hardware.measured.get()}, by);
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
