#include "host/compiler/schedule.h"

namespace bitloop::host {
namespace {

constexpr int kQueuedLoads = 4;           // instructions that the load engine's queue holds
constexpr double kPrefetchCycles = 8000;  // how far ahead, beyond the next steps
constexpr int kNextSteps = 2;
constexpr int kFarthestStep = 64;

}  // namespace

void Schedule::run() {
  for (int step = 0; step < steps(); ++step) {
    while (provide(step, step - 1, true) != Provision::ready) {
    }
    compute(step);
    timeline_.update(program, step_cycles(step));
    prefetch(step);
    store(step);
  }
}

/// Loads stand in the chain before the next compute instruction: never more than the load engine's queue
/// takes, so that the compute instruction behind them is dispatched while the current one runs.
void Schedule::prefetch(int current) {
  double cycles = 0;
  for (int step = current + 1; step < steps() && step <= current + kFarthestStep; ++step) {
    if (step > current + kNextSteps && cycles > kPrefetchCycles) return;
    Provision provision = Provision::loaded;
    while (provision == Provision::loaded) {
      timeline_.update(program, 0);
      if (timeline_.loads_after(timeline_.compute_start()) >= kQueuedLoads) return;
      provision = provide(step, current, false);
    }
    if (provision == Provision::blocked) return;
    cycles += step_cycles(step);
  }
}

}  // namespace bitloop::host
