#pragma once

#include "host/device.h"
#include "host/job.h"
#include "host/network_plan.h"
#include "host/quantized_network.h"
#include "host/segment_program.h"

namespace bitloop::host {

/// Lowers a network with its integers to one job for hardware of these parameters. Throws InputError, naming
/// the layer, the limit and the nearest thing that works, where the hardware cannot run a layer.
Job compile(const QuantizedNetwork& network, const HardwareInfo& hardware,
            const CompileOptions& options = {});

/// A plan whose segments the hardware has room for, and how each runs. Where SRAM is too small to fuse layers
/// or to keep tensors on chip, they are separate.
struct PlannedNetwork {
  NetworkPlan network;
  std::vector<SegmentPlan> segments;
};
PlannedNetwork plan_all(const Network& network, const Policy& policy, const HardwareInfo& hardware,
                        const CompileOptions& options = {});

}  // namespace bitloop::host
