#pragma once

#include <vector>

#include "host/compiler/stream_plan.h"
#include "host/compiler/weight_plan.h"

namespace bitloop::host {

/// A layer computed tile by tile, for when no ring of whole rows fits: each part of the reduction loads the
/// patch of the input that the tile reads. Slow, but limited only by one kernel row of one channel block (of
/// a depthwise layer or a pool: one channel block). Operands lie in memory, no stage follows, and the whole
/// activation SRAM is free.
struct TilePlan {
  std::vector<ReductionPart> input_parts;  ///< that patches hold; by blocks, some blocks each
  WeightPlan weights;                      ///< its parts are those of the input; by blocks, one
  ParameterPlan parameters;
  std::vector<Unit> units;
  int tile = 1;          ///< output positions of a full tile, all in one row
  int patch_stride = 1;  ///< bank rows per word of a patch
  int patch_words = 1;   ///< words per position of the largest patch
  int patch_buffers = 1;
  int output_base = 0;  ///< two buffers of one unit's words, a bank row each
  int output_words = 1;
};

/// Throws InputError naming the layer, the limit and what would work where even the smallest patch does not
/// fit.
TilePlan plan_tiles(const Segment& segment, const HardwareInfo& hardware);

}  // namespace bitloop::host
