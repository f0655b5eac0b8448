#pragma once

#include <optional>
#include <string>
#include <vector>

#include "host/compiler/network_plan.h"
#include "host/compiler/segment.h"
#include "host/device/device.h"
#include "host/network/quantized_network.h"
#include "host/program/job.h"

namespace bitloop::host {

/// A network as one job, and the segments that it runs in order, each in its place.
struct CompiledNetwork {
  Job job;
  std::vector<Segment> segments;
};

/// Lowers a network with its integers to one job for hardware of these parameters. Where SRAM is too small to
/// fuse layers or to keep tensors on chip, they are separate. Throws InputError, naming the layer, the limit
/// and the nearest thing that works, where the hardware cannot run a layer.
CompiledNetwork compile_network(const QuantizedNetwork& network, const HardwareInfo& hardware,
                                const CompileOptions& options = {});
/// The job alone.
Job compile(const QuantizedNetwork& network, const HardwareInfo& hardware,
            const CompileOptions& options = {});

/// Why hardware of these parameters cannot run a network under a policy: a line that names the layer, the
/// limit and the nearest thing that works; nothing where it can. Needs no weights.
std::optional<std::string> reason_against(const Network& network, const Policy& policy,
                                          const HardwareInfo& hardware);

/// A job for this hardware that has nothing but its name yet.
Job empty_job(std::string name, const HardwareInfo& hardware, bool stages_image);

}  // namespace bitloop::host
