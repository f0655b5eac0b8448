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
        stages_(static_cast<int>(segment.stages.size())),
        order_(plan.weights.part_order()),
        carries_(carries()) {}

  std::vector<StreamStep> build() {
    const int strips = static_cast<int>(plan_.operation_ends.size());
    const int units = static_cast<int>(plan_.units.size());
    if (plan_.weave.groups > 0 && segment_.pool) {
      for (int unit = 0; unit < units; unit += plan_.strips_outer ? units : 1)
        add_pooled(strips, unit, plan_.strips_outer ? units : unit + 1);
    } else if (!plan_.strips_outer) {
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
    const std::size_t parts = order_.size();
    const int size = parts == 1 ? span.end - span.first : pixels_;
    for (int first = span.first; first < span.end; first += size) {
      add_parts(strip, unit, group, {first, std::min(first + size, span.end)}, 0, parts);
    }
  }

  /// Of the parts in their order those from `begin` to `end`.
  void add_parts(int strip, int unit, int group, const Span& span, std::size_t begin, std::size_t end) {
    const int channel = group * op_.group_channels(lanes_);
    const bool last = group + 1 == plan_.units[unit].end_group && span.end == plan_.operation_ends[strip];
    for (std::size_t i = begin; i < end; ++i) {
      const bool drain = i + 1 == order_.size();
      steps_.push_back({strip, unit, 0, group, channel, order_[i], span.first, span.end - span.first, i == 0,
                        drain, last && drain});
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

  /// A tile of a strip; one before its first is of the strip before, where that one's go on.
  void add_stage_tile(int strip, int unit, int stage, int block, int tile) {
    const Span span = operation_span(strip);
    if (tile < 0) {
      if (carries_ && strip > 0)
        add_stage_tile(strip - 1, unit, stage, block, tiles_of(operation_span(strip - 1)) + tile);
    } else if (tile < tiles_of(span)) {
      add_block(strip, unit, stage, block, tile_of(span, tile));
    }
  }

  /// Whether the stages' last tiles of a strip stand between the unit's tiles of the next, where these leave
  /// alone what they read.
  [[nodiscard]] bool carries() const {
    if (plan_.strips_outer || plan_.weave.groups != plan_.units.front().groups()) return false;
    for (int strip = 0; strip < static_cast<int>(plan_.operation_ends.size()); ++strip) {
      if (tiles_of(operation_span(strip)) < stages_ + 2) return false;
    }
    return true;
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
    const int tiles = tiles_of(span);
    const std::size_t before = order_.size() - (plan_.weave.inside ? 1 : 0);
    const bool goes_on = carries_ && strip + 1 < static_cast<int>(plan_.operation_ends.size());
    for (int tile = 0; tile < tiles + (goes_on ? 0 : stages_); ++tile) {
      int next = 0;  // of the stages' blocks, stage by stage
      for (int g = 0; g < groups; ++g) {
        if (tile < tiles) add_parts(strip, unit, first_woven + g, tile_of(span, tile), 0, before);
        for (; next < stages_ * blocks * (g + 1) / groups; ++next) {
          const int stage = next / blocks;
          add_stage_tile(strip, unit, stage, first_block + next % blocks, tile - stage - 1);
        }
        if (tile < tiles) add_parts(strip, unit, first_woven + g, tile_of(span, tile), before, order_.size());
      }
    }
  }

  /// The pool follows the operation, as ever; what reads the pool's result stands between the operation's
  /// tiles of the next strip.
  void add_pooled(int strips, int first_unit, int end_unit) {
    for (int strip = 0; strip < strips; ++strip) {
      for (int unit = first_unit; unit <= end_unit; ++unit) {
        if (unit < end_unit) add_woven_behind_pool(strip, unit);
        if (unit > first_unit) add_stage(strip, unit - 1, 0, stage_span(strip));
      }
    }
    for (int unit = first_unit; unit < end_unit; ++unit)
      for (int stage = 1; stage < stages_; ++stage)
        add_stage(strips - 1, unit, stage, stage_span(strips - 1));
  }

  /// The operation's last group with the stages' tiles of the strip before.
  void add_woven_behind_pool(int strip, int unit) {
    const Unit& range = plan_.units[unit];
    const Span span = operation_span(strip);
    const Span before = strip > 0 ? stage_span(strip - 1) : Span{};
    const int last = range.end_group - 1;
    for (int group = range.first_group; group < last; ++group) add_group(strip, unit, group, span);
    const int first_block = range.first_channel / kBlockChannels;
    const int blocks = divide_up(range.end_channel, kBlockChannels) - first_block;
    const int stage_tiles = tiles_of(before);
    const int count = (stages_ - 1) * blocks * stage_tiles;
    const int tiles = tiles_of(span);
    int next = 0;  // stage by stage, block by block
    const auto add_until = [&](int end) {
      for (; next < end; ++next) {
        const int block = next / stage_tiles;
        add_block(strip - 1, unit, 1 + block / blocks, first_block + block % blocks,
                  tile_of(before, next % stage_tiles));
      }
    };
    for (int tile = 0; tile < tiles; ++tile) {
      add_parts(strip, unit, last, tile_of(span, tile), 0, order_.size() - 1);
      add_until(count * (tile + 1) / tiles);
      add_parts(strip, unit, last, tile_of(span, tile), order_.size() - 1, order_.size());
    }
    add_until(count);
  }

  [[nodiscard]] int tiles_of(const Span& span) const { return divide_up(span.end - span.first, pixels_); }
  [[nodiscard]] Span tile_of(const Span& span, int tile) const {
    const int first = span.first + tile * pixels_;
    return {first, std::min(first + pixels_, span.end)};
  }

  const StreamPlan& plan_;
  const Segment& segment_;
  const WindowOp& op_;
  int pixels_;  ///< P
  int lanes_;   ///< F
  int stages_;
  std::vector<int> order_;  ///< of the reduction's parts
  bool carries_;
  std::vector<StreamStep> steps_;
};

}  // namespace

std::vector<StreamStep> stream_steps(const StreamPlan& plan, const Segment& segment,
                                     const HardwareInfo& hardware) {
  return StepList(plan, segment, hardware).build();
}

}  // namespace bitloop::host
