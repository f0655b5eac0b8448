#include "host/compiler/schedule.h"

#include <algorithm>
#include <utility>

namespace bitloop::host {
namespace {

constexpr int kQueuedLoads = 4;           // instructions that the load engine's queue holds
constexpr double kPrefetchCycles = 8000;  // how far ahead, beyond the next steps
constexpr int kNextSteps = 2;
constexpr int kFarthestStep = 1024;

}  // namespace

Schedule::Schedule(const Segment& segment, const HardwareInfo& hardware)
    : program(hardware),
      segment_(segment),
      op_(segment.op),
      pixels_(hardware.pixels),
      lanes_(hardware.filters),
      timeline_(hardware) {
  if (op_.packing) image_.emplace(op_, hardware, segment.input.offset);
}

void Schedule::feed_groups(const HardwareInfo& hardware, const WeightPlan& weights,
                           const ParameterPlan& parameters, std::vector<GroupFeed::Use> uses) {
  if (op_.group_slots(lanes_) == 0) return;
  groups_.emplace(segment_, hardware, weights, parameters, std::move(uses));
}

void Schedule::run() {
  for (int step = 0; step < steps(); ++step) {
    while (provide(step, step - 1, true) != Provision::ready) {
    }
    if (step == 0 && segment_.function >= 0)
      program.append(LoadTable{static_cast<std::uint32_t>(segment_.table)});
    if (step == 0 && segment_.vector) load_vector();
    compute(step);
    timeline_.update(program, step_cycles(step));
    prefetch(step);
    store(step);
  }
}

/// A product's vector as weights, each block in the first tap of a row; what else the row holds is never
/// read.
void Schedule::load_vector() {
  const Place& vector = *segment_.vector;
  for (int block = 0; block < op_.blocks; ++block) {
    const Address offset = vector.offset + kWordBytes * (vector.first_word + block * words_per_block(8));
    program.append(LoadWeight{static_cast<std::uint32_t>(offset), 1, block});
  }
}

int Schedule::weight_base(int step, int group) const {
  return segment_.vector ? group : groups_->weight_base(step);
}

/// Of all steps before this one.
double Schedule::cycles_before(int step) {
  while (static_cast<int>(cycles_before_.size()) <= step)
    cycles_before_.push_back(cycles_before_.back() +
                             step_cycles(static_cast<int>(cycles_before_.size()) - 1));
  return cycles_before_[static_cast<std::size_t>(step)];
}

/// Loads stand in the chain before the next compute instruction: never more than the load engine's queue
/// takes, so that the compute instruction behind them is dispatched while the current one runs.
void Schedule::prefetch(int current) {
  // What a step has stays until it has run: steps that were found ready need no second look.
  for (next_unready_ = std::max(next_unready_, current + 1);
       next_unready_ < steps() && next_unready_ <= current + kFarthestStep; ++next_unready_) {
    const int step = next_unready_;
    if (step > current + kNextSteps && cycles_before(step) - cycles_before(current + 1) > kPrefetchCycles)
      return;
    Provision provision = Provision::loaded;
    while (provision == Provision::loaded) {
      timeline_.update(program, 0);
      if (timeline_.loads_after(timeline_.compute_start()) >= kQueuedLoads) return;
      provision = provide(step, current, false);
    }
    if (provision == Provision::blocked) return;
  }
}

}  // namespace bitloop::host
