#pragma once

#include "host/device.h"
#include "host/job.h"
#include "host/quantized_network.h"

namespace bitloop::host {

struct CompileOptions {
  /// Name every tensor in Job::tensors and keep it in memory, so that each can be compared.
  bool spill_all = false;
};

/// Lowers a network with its integers to one job for hardware of these parameters. Throws InputError, naming
/// the layer, the limit and the nearest thing that works, where the hardware cannot run a layer.
Job compile(const QuantizedNetwork& network, const HardwareInfo& hardware,
            const CompileOptions& options = {});

}  // namespace bitloop::host
