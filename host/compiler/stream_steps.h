#pragma once

#include <vector>

#include "host/compiler/stream_plan.h"

namespace bitloop::host {

/// A compute instruction of a StreamPlan: some output positions of one group, block or unit.
struct StreamStep {
  int strip = 0;
  int unit = 0;
  int result = 0;  ///< that it computes: 0 of the operation, then of each stage
  int group = 0;   ///< of the operation; of a stage, the channel block
  int first_channel = 0;
  int part = 0;
  int first = 0;  ///< output position
  int positions = 0;
  bool clear = true;       ///< the first part of its tile
  bool drain = true;       ///< the last one
  bool unit_done = false;  ///< the unit's part of the strip is complete
};

/// The steps of a plan in the order in which they are computed. Stages follow the operation strip by strip
/// and unit by unit; where strips hold several units they stay one unit behind, so that they need not wait
/// for the results that they read. Where tiles are woven, a stage's tiles stand between those of the unit's
/// last groups instead, each stage one tile behind what it reads: while it drains, the array computes.
std::vector<StreamStep> stream_steps(const StreamPlan& plan, const Segment& segment,
                                     const HardwareInfo& hardware);

}  // namespace bitloop::host
