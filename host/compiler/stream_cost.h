#pragma once

#include "host/compiler/stream_plan.h"

namespace bitloop::host {

/// How many rounds the loads may run ahead of the compute engine and stores stay behind it.
struct Slack {
  int loads;
  int stores;
};

/// Cycles of a segment by a model of memory and array time: to compare plans with, not to report.
double stream_cycles(const StreamPlan& plan, const Segment& segment, const HardwareInfo& hardware,
                     const Slack& slack);

}  // namespace bitloop::host
