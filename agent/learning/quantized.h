#pragma once

#include "agent/console/options.h"
#include "agent/evaluation/task.h"
#include "quant/model/quantized_model.h"

namespace bitloop::learning {

/// A network with integers, and the data that it goes with.
struct Quantized {
  agent::Task task;
  quant::QuantizedModel model;
};

/// What --run stores, or what --model and the other options of task_options.h give: `epochs` of retraining
/// from the float weights. Shows progress. Throws InputError where both are named.
Quantized quantized_model(const console::Options& options, int epochs);
/// The integers alone: those of --run without loading its data.
quant::QuantizedModel integers_of(const console::Options& options, int epochs);

/// Devices that the options name; with --run, and where they say nothing, the simulated hardware that the run
/// chose.
console::DeviceChoice devices_of(const console::Options& options);

}  // namespace bitloop::learning
