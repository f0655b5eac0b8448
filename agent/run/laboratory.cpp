#include "agent/run/laboratory.h"

#include <fmt/format.h>

#include <utility>

#include "agent/space/locked_costs.h"
#include "quant/model/geometry.h"

namespace bitloop::agent {
namespace {

const host::Network& classifier(const Task& task) {
  quant::require_classifier(task.model.network);
  return task.model.network;
}

}  // namespace

Laboratory::Laboratory(const TaskSpec& spec, const SpaceSpec& space,
                       std::shared_ptr<host::DevicePool> devices,
                       std::unique_ptr<host::MeasurementStore> store, host::SegmentMeter::Progress progress)
    : opened_(open_task(spec)),
      devices_(std::move(devices)),
      store_(std::move(store)),
      meter_(devices_, store_.get()),
      policies_(classifier(opened_), {.rules = rules_of(space.rules),
                                      .grouping = grouping_of(space.group),
                                      .widths = space.widths,
                                      .pinned = space.pinned,
                                      .hardware = devices_->hardware()}) {
  auto costs = std::make_unique<PolicyCosts>(policies_, meter_,
                                             host::load_energy_profile(host::energy_profile_names().front()),
                                             std::move(progress));
  policy_costs_ = costs.get();
  costs_ = search::locked(std::move(costs));
}

void Laboratory::open(const quant::FloatCheckpoint& weights, EvaluationRecipe recipe,
                      std::shared_ptr<OutcomeStore> outcomes) {
  quantizer_ = std::make_shared<const quant::Quantizer>(network(), weights, opened_.data);
  policies_.set_weight_deviations(weights.weight_deviations());
  recipe.context = fmt::format("{} {}", weights.content_hash(), opened_.data.split_hash);
  task_ = std::make_unique<NetworkTask>(policies_, *costs_, opened_.data, quantizer_, std::move(recipe),
                                        std::move(outcomes));
}

}  // namespace bitloop::agent
