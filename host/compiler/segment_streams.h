#pragma once

#include <vector>

#include "host/compiler/channel_runs.h"
#include "host/compiler/residency.h"

namespace bitloop::host {

/// What a segment's streams take: at the least some rows of each, of one unit's channels where only those
/// are needed at a time.
std::vector<Stream> streams_of(const Segment& segment, const Operands& operands,
                               const HardwareInfo& hardware);

}  // namespace bitloop::host
