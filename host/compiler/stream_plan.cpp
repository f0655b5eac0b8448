#include "host/compiler/stream_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "host/base/error.h"
#include "host/base/integers.h"
#include "host/compiler/stream_cost.h"

namespace bitloop::host {
namespace {

constexpr int kEarlyParts = 4;       // of a tile, so that its array need not wait for all of its weights
constexpr int kUnlimited = 1 << 20;  // rounds of slack where a whole tensor is on chip

/// One candidate: its strips, and the rings that they need.
class Candidate {
 public:
  Candidate(const Segment& segment, const HardwareInfo& hardware)
      : segment_(segment), op_(segment.op), hardware_(hardware) {}

  StreamPlan plan;

  /// Cuts what the last stage gives into strips, and the operation's output behind a pool accordingly.
  void set_strips(std::vector<int> ends) {
    plan.strip_ends = std::move(ends);
    plan.operation_ends = plan.strip_ends;
    if (!segment_.pool) return;
    const WindowOp& pool = *segment_.pool;
    const auto all = static_cast<int>(op_.output_positions());
    for (int& end : plan.operation_ends) {
      const int row = pool.end_input_row((end - 1) / pool.output_width);
      end = std::min(all, round_up(row * op_.output_width, hardware_.pixels));
    }
    plan.operation_ends.back() = all;
  }

  /// Rows of the input that strips need: one alone, or with `ahead` strips that follow.
  [[nodiscard]] int input_rows(int ahead) const {
    if (ahead < 0) return op_.input_height;
    int rows = 1;
    const auto& ends = plan.operation_ends;
    for (std::size_t s = 0; s < ends.size(); ++s) {
      const std::size_t last = std::min(s + ahead, ends.size() - 1);
      rows = std::max(rows, op_.end_input_row((ends[last] - 1) / op_.output_width) -
                                op_.first_input_row(plan.operation_begin(s) / op_.output_width));
    }
    return rows;
  }

  /// Rows of a result that `count` strips in succession touch; what a pool reads is kept for its windows.
  [[nodiscard]] int result_rows(int result, int count) const {
    const Extent extent = segment_.extent(result);
    if (count < 0) return extent.height;
    const bool pooled = result == 0 && segment_.pool;
    const auto& ends = result == 0 ? plan.operation_ends : plan.strip_ends;
    int rows = 1;
    for (std::size_t s = 0; s < ends.size(); ++s) {
      const std::size_t first = s >= static_cast<std::size_t>(count) ? s - count : 0;
      const int start = first == 0 ? 0 : ends[first - 1] / extent.width;
      const int kept =
          pooled ? segment_.pool->first_input_row(plan.strip_begin(first) / segment_.pool->output_width)
                 : start;
      rows = std::max(rows, divide_up(ends[s], extent.width) - std::min(start, kept));
    }
    return rows;
  }

  /// Places all rings; false where they do not fit.
  bool place(int pitch, int ahead, int behind) {
    next_row_ = segment_.free.first;
    plan.results.clear();
    const auto last = static_cast<int>(segment_.results.size()) - 1;
    bool fits = place_one(plan.input, segment_.input, pitch, input_rows(ahead), op_.input_bits);
    if (segment_.second) {
      fits =
          fits && place_one(plan.second.emplace(), *segment_.second, op_.output_width, second_rows(ahead), 8);
    }
    for (int i = 0; i <= last && fits; ++i) {
      Buffer buffer;
      const Place& place = segment_.results[static_cast<std::size_t>(i)];
      if (op_.kind == OpKind::copy && place.in_memory) {
        buffer = plan.input;
      } else {
        const int rows = i == last || place.in_memory ? stored_rows(i, behind) : result_rows(i, 0);
        fits = place_one(buffer, place, segment_.extent(i).width, rows, segment_.result_bits(i));
      }
      if (i == 0 && segment_.pool && !buffer.whole) {
        buffer.ring.spread = op_.kind != OpKind::max_pool && segment_.pool->reads_apart();
      }
      plan.results.push_back(buffer);
    }
    return fits && next_row_ <= segment_.free.end;
  }

 private:
  /// Rows of the second operand. A woven stage follows at once: where loads may run ahead at all, the next
  /// strip's rows, or those of the next unit's strip, have room beside its own.
  [[nodiscard]] int second_rows(int ahead) const {
    if (plan.weave.groups == 0 || ahead == 0) return result_rows(0, std::max(0, ahead));
    return plan.strips_outer ? result_rows(0, std::abs(ahead)) : two_passes(0);
  }

  /// Rows of a result that is stored.
  [[nodiscard]] int stored_rows(int result, int behind) const {
    const bool passes = plan.weave.groups > 0 && !plan.strips_outer && plan.units.size() > 1;
    return passes && behind != 0 ? two_passes(result) : result_rows(result, behind);
  }

  /// Rows of a strip, and beside them those of the next unit's.
  [[nodiscard]] int two_passes(int result) const {
    return 2 * round_up(result_rows(result, 0), row_granule(op_.output_width, hardware_.pixels));
  }

  bool place_one(Buffer& buffer, const Place& place, int pitch, int rows, int bits) {
    if (place.on_chip) {
      buffer = {place.ring, true};
      return true;
    }
    const bool all =
        plan.strips_outer || plan.units.size() == 1 || (&buffer == &plan.input && !op_.by_blocks());
    const int words =
        all ? (&buffer == &plan.input ? op_.input_words() : words_per_position(op_.filters, bits))
            : plan.units[0].words(bits);
    buffer = {make_ring(pitch, rows, words, hardware_.pixels), false};
    if (buffer.ring.positions() > kLargestRing) return false;
    buffer.ring.base = next_row_;
    next_row_ += buffer.ring.bank_rows();
    return true;
  }

  const Segment& segment_;
  const WindowOp& op_;
  const HardwareInfo& hardware_;
  int next_row_ = 0;
};

/// Strips of about `rows` output rows; one of `first_rows` first, so that computing starts early, and a small
/// one last, so that little is stored after it.
std::vector<int> strip_ends(const WindowOp& op, int first_rows, int rows, int pixels) {
  const int total = static_cast<int>(op.output_positions());
  const int small = round_up(op.output_width, pixels);
  const int large = round_up(rows * op.output_width, pixels);
  std::vector<int> ends;
  int end = std::min(round_up(first_rows * op.output_width, pixels), large);
  while (end < total) {
    ends.push_back(end);
    const int left = total - end;
    end += left > small && left <= large ? (left - 1) / small * small : large;
  }
  ends.push_back(total);
  return ends;
}

std::vector<int> strip_rows_choices(const WindowOp& op) {
  std::vector<int> choices;
  for (const int rows : {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128}) {
    if (rows < op.output_height) choices.push_back(rows);
  }
  choices.push_back(op.output_height);
  return choices;
}

/// Pitches to try: first one whose rows follow each other without bank conflicts, then the narrowest that
/// wrap at every row.
std::vector<int> pitch_choices(const WindowOp& op, int pixels) {
  std::vector<int> choices;
  const int width = op.input_width;
  if (op.stride_x == 1) choices.push_back(width + modulo(op.output_width - width, pixels));
  for (const int pitch : {width, round_up(width, pixels)}) {
    if (std::find(choices.begin(), choices.end(), pitch) == choices.end()) choices.push_back(pitch);
  }
  if (op.by_blocks() && op.kind != OpKind::depthwise && op.kind != OpKind::max_pool) choices = {width};
  return choices;
}

/// Strips ahead that loads may run and strips behind that stores may stay, best first; -1: the whole tensor.
constexpr Slack kSlacks[] = {{-1, -1}, {-1, 2}, {2, -1}, {2, 2},  {1, 2}, {1, 1},
                             {-1, 1},  {0, 1},  {1, 0},  {-1, 0}, {0, 0}};
constexpr int kSlacksTried = 3;  // of those that fit

/// Keeps the cheapest of all candidates.
class Search {
 public:
  Search(const Segment& segment, const HardwareInfo& hardware)
      : segment_(segment), op_(segment.op), last_(segment.pool ? *segment.pool : op_), hardware_(hardware) {}

  void try_order(const StreamPlan& frame) {
    for (const int rows : strip_rows_choices(last_)) {
      for (const int first_rows : {1, 4, rows}) {
        if (first_rows > rows) continue;
        Candidate candidate(segment_, hardware_);
        candidate.plan = frame;
        candidate.set_strips(strip_ends(last_, first_rows, rows, hardware_.pixels));
        if (segment_.input.on_chip) {
          try_rings(candidate, op_.input_width);
          continue;
        }
        for (const int pitch : pitch_choices(op_, hardware_.pixels)) try_rings(candidate, pitch);
      }
    }
  }

  [[nodiscard]] const std::optional<StreamPlan>& best() const { return best_; }

 private:
  void try_rings(Candidate& candidate, int pitch) {
    int tried = 0;
    for (const Slack& slack : kSlacks) {
      if (!candidate.place(pitch, slack.loads, slack.stores)) continue;
      const StreamPlan& plan = candidate.plan;
      candidate.plan.resident =
          plan.input.whole || (plan.input.ring.rows >= op_.input_height &&
                               (plan.strips_outer || plan.units.size() == 1 || !op_.by_blocks()));
      const double cycles = stream_cycles(
          plan, segment_, hardware_,
          {slack.loads < 0 ? kUnlimited : slack.loads, slack.stores < 0 ? kUnlimited : slack.stores});
      if (!best_ || cycles < best_cycles_) {
        best_ = candidate.plan;
        best_cycles_ = cycles;
      }
      if (++tried == kSlacksTried) return;
    }
  }

  const Segment& segment_;
  const WindowOp& op_;
  const WindowOp& last_;  ///< whose output is cut into strips
  const HardwareInfo& hardware_;
  std::optional<StreamPlan> best_;
  double best_cycles_ = 0;
};

/// How a convolution's weights are split, and how its stages share its time.
struct WeightUse {
  WeightPlan weights;
  Weave weave;
};

/// All that are worth a try: whole, in parts so that its first tile starts early, and those that weave.
std::vector<WeightUse> weight_uses(const Segment& segment, const StreamPlan& frame,
                                   const HardwareInfo& hardware) {
  std::vector<WeightUse> uses{{frame.weights, {}}};
  const bool whole = frame.weights.part_count() == 1;
  if (whole) {
    WeightPlan early = split_weights(segment.op, hardware, kEarlyParts);
    if (early.part_words * hardware.filters >= kFullBatchWords) uses.push_back({std::move(early), {}});
  }
  const int groups = frame.units.front().groups();
  for (const bool inside : {false, true}) {
    WeightUse use{inside && whole ? split_weights(segment.op, hardware, 2) : frame.weights, {}};
    use.weave = plan_weave(segment, use.weights, groups, inside, hardware);
    if (use.weave.groups > 0) uses.push_back(std::move(use));
  }
  return uses;
}

}  // namespace

std::vector<Unit> make_units(const Segment& segment, int groups, int lanes) {
  const WindowOp& op = segment.op;
  int channels = std::max(kBlockChannels, op.by_blocks() ? word_channels(op.input_bits) : 0);
  if (segment.pool) channels = std::max(channels, segment.pool->block_channels);
  for (int i = 0; i < segment.result_count(); ++i) {
    channels = std::max(channels, word_channels(segment.result_bits(i)));
  }
  const int group =
      op.kind == OpKind::max_pool || op.kind == OpKind::copy ? op.block_channels : op.group_channels(lanes);
  if (channels % group != 0) {
    throw InputError(
        fmt::format("layer {}: groups of {} filters do not fill channel blocks of {}; use "
                    "hardware whose F divides 32",
                    op.name, group, channels));
  }
  const int per_unit = round_up(std::max(groups, channels / group), channels / group);
  const int all = divide_up(op.filters, group);
  std::vector<Unit> units;
  for (int first = 0; first < all; first += per_unit) {
    const int end = std::min(first + per_unit, all);
    units.push_back({first, end, first * group, std::min(end * group, op.filters)});
  }
  return units;
}

std::optional<StreamPlan> plan_stream(const Segment& segment, const HardwareInfo& hardware) {
  const WindowOp& op = segment.op;
  const int lanes = hardware.filters;
  Search search(segment, hardware);
  StreamPlan frame;
  frame.weights = plan_weights(op, hardware);
  frame.parameters = plan_parameters(op, hardware, segment.stage_slots(lanes));
  if (op.by_blocks()) {
    frame.strips_outer = false;
    for (int size = op.blocks;; size = (size + 1) / 2) {
      frame.units = make_units(segment, size, lanes);
      search.try_order(frame);
      if (size == 1) return search.best();
    }
  }
  frame.units = make_units(segment, 1, lanes);
  const std::vector<WeightUse> uses = weight_uses(segment, frame, hardware);
  for (const bool strips_outer : {true, false}) {
    frame.strips_outer = strips_outer;
    for (const WeightUse& use : uses) {
      frame.weights = use.weights;
      frame.weave = use.weave;
      search.try_order(frame);
    }
  }
  return search.best();
}

}  // namespace bitloop::host
