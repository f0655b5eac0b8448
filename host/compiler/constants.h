#pragma once

#include <cstddef>
#include <vector>

#include "host/compiler/segment_program.h"
#include "host/network/quantized_network.h"

namespace bitloop::host {

/// Weights and parameters of a segment as they lie in memory (docs/accelerator.md, "Numbers as planes").

/// Bytes of both, without packing them.
Address weight_size(const Segment& segment, const SegmentPlan& plan, int lanes);
Address parameter_size(const Segment& segment, int lanes);

/// The weight streams of all groups and parts, one behind the other; empty where the operation has none.
std::vector<std::byte> weight_bytes(const Segment& segment, const SegmentPlan& plan,
                                    const QuantizedNetwork& network, int lanes);
/// The codes of the segment's function; empty where it has none.
std::vector<std::byte> table_bytes(const Segment& segment, const QuantizedNetwork& network);
/// Slots of the stages, then of the operation's groups.
std::vector<std::byte> parameter_bytes(const Segment& segment, const QuantizedNetwork& network, int lanes);

}  // namespace bitloop::host
