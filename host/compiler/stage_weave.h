#pragma once

#include "host/compiler/segment.h"
#include "host/compiler/weight_plan.h"
#include "host/device/device.h"

namespace bitloop::host {

/// How a convolution's stages share its time. A stage is bound by the drain, while the array waits: where the
/// stages' tiles stand between those of the convolution, the array computes meanwhile.
struct Weave {
  int groups = 0;  ///< of each unit, its last ones, between whose tiles the stages' stand; 0: stages follow
  /// The stages' tiles stand before the last part of a group's tile, not behind it: while that tile drained,
  /// the array computed, and while theirs drain, it computes again.
  bool inside = false;
  double tile_cycles = 0;  ///< of one tile of a whole unit with its stages
};

/// The best for units of `unit_groups` groups; none where it gains nothing. `inside`: where the weights are
/// in parts.
Weave plan_weave(const Segment& segment, const WeightPlan& weights, int unit_groups, bool inside,
                 const HardwareInfo& hardware);

}  // namespace bitloop::host
