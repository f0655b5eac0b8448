#include "host/compiler/stream_steps.h"

#include <algorithm>

#include "host/base/integers.h"

namespace bitloop::host {
namespace {

/// Flattened output positions, from first (inclusive) to end (exclusive).
struct Span {
  int first = 0;
  int end = 0;
};

class StepList {
 public:
  StepList(const StreamPlan& plan, const Segment& segment, const HardwareInfo& hardware)
      : plan_(plan),
        segment_(segment),
        op_(segment.op),
        pixels_(hardware.pixels),
        lanes_(hardware.filters),
        stages_(static_cast<int>(segment.stages.size())) {}

  std::vector<StreamStep> build() {
    const int strips = static_cast<int>(plan_.operation_ends.size());
    const int units = static_cast<int>(plan_.units.size());
    if (!plan_.strips_outer) {
      for (int unit = 0; unit < units; ++unit)
        for (int strip = 0; strip < strips; ++strip) add_unit(strip, unit);
    } else if (plan_.weave.groups > 0) {
      for (int strip = 0; strip < strips; ++strip)
        for (int unit = 0; unit < units; ++unit) add_unit(strip, unit);
    } else {
      for (int strip = 0; strip < strips; ++strip) add_strip(strip);
    }
    return std::move(steps_);
  }

 private:
  [[nodiscard]] Span operation_span(int strip) const {
    return {plan_.operation_begin(static_cast<std::size_t>(strip)), plan_.operation_ends[strip]};
  }
  [[nodiscard]] Span stage_span(int strip) const {
    return {plan_.strip_begin(static_cast<std::size_t>(strip)), plan_.strip_ends[strip]};
  }

  void add_unit(int strip, int unit) {
    if (plan_.weave.groups > 0) {
      add_woven(strip, unit);
      return;
    }
    add_operation(strip, unit);
    for (int stage = 0; stage < stages_; ++stage) add_stage(strip, unit, stage, stage_span(strip));
  }

  void add_strip(int strip) {
    const int units = static_cast<int>(plan_.units.size());
    for (int turn = 0; turn < units + stages_; ++turn) {
      if (turn < units) add_operation(strip, turn);
      for (int stage = 0; stage < stages_; ++stage) {
        const int unit = turn - stage - 1;
        if (unit >= 0 && unit < units) add_stage(strip, unit, stage, stage_span(strip));
      }
    }
  }

  void add_operation(int strip, int unit) {
    const Unit& range = plan_.units[unit];
    const Span span = operation_span(strip);
    if (span.first == span.end) return;  // the pool has what it needs
    if (op_.kind == OpKind::max_pool || op_.kind == OpKind::copy) {
      steps_.push_back({strip, unit, 0, range.first_group, range.first_channel, 0, span.first,
                        span.end - span.first, true, true, true});
      return;
    }
    for (int group = range.first_group; group < range.end_group; ++group) add_group(strip, unit, group, span);
  }

  void add_group(int strip, int unit, int group, const Span& span) {
    const std::vector<int> order = plan_.weights.part_order();
    const int channel = group * op_.group_channels(lanes_);
    const bool last = group + 1 == plan_.units[unit].end_group;
    const int size = order.size() == 1 ? span.end - span.first : pixels_;
    for (int first = span.first; first < span.end; first += size) {
      const int positions = std::min(size, span.end - first);
      for (std::size_t i = 0; i < order.size(); ++i) {
        const bool drain = i + 1 == order.size();
        const bool done = last && drain && first + positions == plan_.operation_ends[strip];
        steps_.push_back({strip, unit, 0, group, channel, order[i], first, positions, i == 0, drain, done});
      }
    }
  }

  void add_stage(int strip, int unit, int stage, const Span& span) {
    const Unit& range = plan_.units[unit];
    const int positions = span.end - span.first;
    if (segment_.stages[static_cast<std::size_t>(stage)].kind == StageKind::max_pool) {
      steps_.push_back({strip, unit, stage + 1, range.first_channel / segment_.pool->block_channels,
                        range.first_channel, 0, span.first, positions, true, true, true});
      return;
    }
    const int end = divide_up(range.end_channel, kBlockChannels);
    for (int block = range.first_channel / kBlockChannels; block < end; ++block) {
      add_block(strip, unit, stage, block, span);
    }
  }

  void add_block(int strip, int unit, int stage, int block, const Span& span) {
    const bool last = block + 1 == divide_up(plan_.units[unit].end_channel, kBlockChannels);
    steps_.push_back({strip, unit, stage + 1, block, block * kBlockChannels, 0, span.first,
                      span.end - span.first, true, true, last && span.end == plan_.strip_ends[strip]});
  }

  /// Groups before the woven ones as ever; then tile by tile a turn of the woven groups, with the stages'
  /// tiles spread between them.
  void add_woven(int strip, int unit) {
    const Unit& range = plan_.units[unit];
    const Span span = operation_span(strip);
    const int groups = std::min(plan_.weave.groups, range.end_group - range.first_group);
    const int first_woven = range.end_group - groups;
    for (int group = range.first_group; group < first_woven; ++group) add_group(strip, unit, group, span);
    const int first_block = range.first_channel / kBlockChannels;
    const int blocks = divide_up(range.end_channel, kBlockChannels) - first_block;
    const int tiles = divide_up(span.end - span.first, pixels_);
    const auto tile_span = [&](int tile) {
      const int first = span.first + tile * pixels_;
      return Span{first, std::min(first + pixels_, span.end)};
    };
    for (int tile = 0; tile < tiles + stages_; ++tile) {
      int next = 0;  // of the stages' blocks, stage by stage
      for (int g = 0; g < groups; ++g) {
        if (tile < tiles) add_group(strip, unit, first_woven + g, tile_span(tile));
        for (; next < stages_ * blocks * (g + 1) / groups; ++next) {
          const int stage = next / blocks;
          const int behind = tile - stage - 1;
          if (behind >= 0 && behind < tiles)
            add_block(strip, unit, stage, first_block + next % blocks, tile_span(behind));
        }
      }
    }
  }

  const StreamPlan& plan_;
  const Segment& segment_;
  const WindowOp& op_;
  int pixels_;  ///< P
  int lanes_;   ///< F
  int stages_;
  std::vector<StreamStep> steps_;
};

}  // namespace

std::vector<StreamStep> stream_steps(const StreamPlan& plan, const Segment& segment,
                                     const HardwareInfo& hardware) {
  return StepList(plan, segment, hardware).build();
}

}  // namespace bitloop::host
