#pragma once

#include <memory>

#include "agent/console/options.h"
#include "agent/evaluation/network_task.h"
#include "agent/evaluation/policy_costs.h"
#include "agent/evaluation/task.h"

namespace bitloop::learning {

/// --rules, --group, --pin.
void add_space_options(console::Options& options);
/// --retrain-epochs, --reward-images, --statistics-images, and those of add_retraining_options.
void add_recipe_options(console::Options& options);

/// A network on its data and hardware, opened as options say, for verbs that evaluate policies.
struct Laboratory {
  explicit Laboratory(const console::Options& options);

  agent::TaskSpec spec;
  agent::Task opened;
  std::shared_ptr<host::DevicePool> devices;
  std::unique_ptr<host::MeasurementStore> store;
  host::SegmentMeter meter;
  std::shared_ptr<const quant::Quantizer> quantizer;
  std::unique_ptr<agent::PolicySpace> space;
  std::unique_ptr<search::CostModel> costs;
  std::unique_ptr<agent::NetworkTask> task;
};

}  // namespace bitloop::learning
