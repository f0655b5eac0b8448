#pragma once

#include <variant>
#include <vector>

#include "host/compiler/segment.h"
#include "host/compiler/stream_plan.h"
#include "host/compiler/tile_plan.h"
#include "host/program/instruction.h"

namespace bitloop::host {

/// How a segment runs.
using SegmentPlan = std::variant<StreamPlan, TilePlan>;

/// Throws InputError, naming the layer and what would work, where the hardware has too little memory for it.
SegmentPlan plan_segment(const Segment& segment, const HardwareInfo& hardware);

/// The parts of the reduction, in the order of the weights in memory.
const std::vector<ReductionPart>& reduction_parts(const SegmentPlan& plan);

/// The segment's instructions: a function of the segment and the hardware's parameters alone.
std::vector<Instruction> schedule_segment(const Segment& segment, const SegmentPlan& plan,
                                          const HardwareInfo& hardware);

/// The chain of descriptors of one segment, its header first, as it lies in memory from `offset` on.
std::vector<std::byte> segment_descriptors(const std::vector<Instruction>& instructions, Address offset,
                                           Address record, bool last);

}  // namespace bitloop::host
