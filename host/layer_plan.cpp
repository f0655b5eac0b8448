#include "host/layer_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "host/error.h"

namespace bitloop::host {
namespace {

constexpr int kInstructionCycles = 15;  // start-up of a compute instruction
constexpr int kTransferCycles = 25;     // start-up of a load or store that is not hidden
constexpr int kStartCycles = 150;       // descriptors and latency before the first load arrives
constexpr int kSlotLimit = 64;          // parameter slots that a descriptor can name
constexpr int kFullBatchWords = 256;    // a load of this many words hides its latency
constexpr int kMostBatched = 8;
constexpr int kUnlimited = 1 << 20;  // rounds of slack where a whole tensor is on chip

int round_up(int value, int multiple) { return (value + multiple - 1) / multiple * multiple; }
int divide_up(long value, long by) { return static_cast<int>((value + by - 1) / by); }

/// Cycles of one round of a plan: a strip of all units, or a strip of one unit.
struct Round {
  double rows = 0;         ///< loading input rows that are not on chip
  double first_group = 0;  ///< loading what the first group of filters needs
  double weights = 0;      ///< loading the other groups' weights
  double compute = 0;
  double store = 0;
};

/// How many rounds the loads may run ahead of the compute engine and stores stay behind it.
struct Slack {
  int loads;
  int stores;
};

/// The three engines, round by round, as their buffers let them. Memory moves one word per cycle in all.
double pipeline_cycles(const std::vector<Round>& rounds, const Slack& slack) {
  std::vector<double> computed;
  std::vector<double> stored;
  double loaded = kStartCycles;
  double words = kStartCycles;
  const auto done = [](const std::vector<double>& times, int back) {
    const std::ptrdiff_t index = static_cast<std::ptrdiff_t>(times.size()) - back;
    return index < 0 ? 0.0 : times[static_cast<std::size_t>(index)];
  };
  for (const Round& round : rounds) {
    if (round.rows > 0)
      loaded = std::max(loaded, done(computed, slack.loads + 1)) + round.rows + kTransferCycles;
    loaded += round.first_group;
    const double start = std::max({loaded, done(computed, 1), done(stored, slack.stores + 1)});
    loaded += round.weights;
    computed.push_back(std::max(start + round.compute, loaded));
    stored.push_back(std::max(computed.back(), done(stored, 1)) + round.store + kTransferCycles);
    words += round.rows + round.first_group + round.weights + round.store;
  }
  return std::max(stored.back(), words);
}

/// Loads of `items` used in turn, `rounds` times, through `buffers` buffers.
double turns(double items, double buffers, double rounds) {
  const double again = items <= buffers ? 0 : items - std::max(0.0, buffers - 1);
  return items + (rounds - 1) * again;
}

/// One candidate and everything needed to judge it.
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
                                op_.first_input_row(begin(s) / op_.output_width));
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
          pooled ? segment_.pool->first_input_row(strip_begin(first) / segment_.pool->output_width) : start;
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
      fits = fits && place_one(plan.second.emplace(), *segment_.second, op_.output_width,
                               result_rows(0, std::max(0, ahead)), 8);
    }
    for (int i = 0; i <= last && fits; ++i) {
      Buffer buffer;
      const Place& place = segment_.results[static_cast<std::size_t>(i)];
      if (op_.kind == OpKind::copy && place.in_memory) {
        buffer = plan.input;
      } else {
        const int rows = result_rows(i, i == last || place.in_memory ? behind : 0);
        fits = place_one(buffer, place, segment_.extent(i).width, rows, segment_.result_bits(i));
      }
      plan.results.push_back(buffer);
    }
    return fits && next_row_ <= segment_.free.end;
  }

  /// Estimated cycles of the layer. Passes beyond the third are like the third.
  [[nodiscard]] double cycles(const Slack& slack) const {
    const std::size_t passes = plan.strips_outer ? 1 : plan.units.size();
    const double first = pass_cycles(slack, std::min<std::size_t>(passes, 2));
    if (passes <= 2) return first;
    return first + static_cast<double>(passes - 2) * (pass_cycles(slack, 3) - first);
  }

 private:
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

  [[nodiscard]] double pass_cycles(const Slack& slack, std::size_t passes) const {
    std::vector<Round> rounds;
    const double loads = weight_loads() / (plan.strips_outer ? 1.0 : static_cast<double>(plan.units.size()));
    for (std::size_t pass = 0; pass < passes; ++pass) {
      for (std::size_t s = 0; s < plan.operation_ends.size(); ++s) rounds.push_back(round(pass, s, loads));
    }
    return pipeline_cycles(rounds, slack);
  }

  [[nodiscard]] int begin(std::size_t strip) const { return strip == 0 ? 0 : plan.operation_ends[strip - 1]; }
  [[nodiscard]] int strip_begin(std::size_t strip) const {
    return strip == 0 ? 0 : plan.strip_ends[strip - 1];
  }
  [[nodiscard]] int groups() const {
    return op_.group_slots(hardware_.filters) == 0 ? 0 : op_.groups(hardware_.filters);
  }

  /// `loads`: weight buffers filled per pass; what the first strip does not load is spread over the others.
  [[nodiscard]] Round round(std::size_t pass, std::size_t strip, double loads) const {
    const double units = plan.strips_outer ? 1 : static_cast<double>(plan.units.size());
    const double positions = plan.operation_ends[strip] - begin(strip);
    Round round;
    round.compute = (compute_cycles(strip) + stage_cycles(strip)) / units;
    round.store = stored_words(strip) / units;
    if (!plan.input.whole && (pass == 0 || !plan.resident)) {
      round.rows = row_cycles(new_rows(strip)) / (op_.by_blocks() ? units : 1);
    }
    if (plan.second && !plan.second->whole) {
      round.rows += positions * words_per_position(op_.filters, 8) / units;
    }
    if (groups() == 0 || plan.weights.part_words == 0) return round;
    const double buffer =
        static_cast<double>(plan.weights.part_words) * plan.weights.batch * hardware_.filters;
    const double once = std::min(loads, groups() * static_cast<double>(plan.weights.parts.size()) / units);
    const double again =
        (loads - once) / std::max<double>(1, static_cast<double>(plan.strip_ends.size()) - 1);
    const double filled = strip == 0 ? once : again;
    if (strip == 0) round.first_group = static_cast<double>(plan.weights.part_words) * hardware_.filters;
    round.weights = std::max(0.0, filled * buffer - round.first_group);
    // With one buffer, loading waits for computing.
    if (plan.weights.buffers == 1) round.compute += round.weights;
    return round;
  }

  [[nodiscard]] double stored_words(std::size_t strip) const {
    double words = 0;
    for (int i = 0; i < segment_.result_count(); ++i) {
      if (!segment_.results[static_cast<std::size_t>(i)].in_memory) continue;
      const double positions =
          i == 0 ? plan.operation_ends[strip] - begin(strip) : plan.strip_ends[strip] - strip_begin(strip);
      words += positions * words_per_position(op_.filters, segment_.result_bits(i)) * op_.repeat * op_.repeat;
    }
    return words;
  }

  [[nodiscard]] int new_rows(std::size_t strip) const {
    const auto end_row = [&](std::size_t s) {
      return op_.end_input_row((plan.operation_ends[s] - 1) / op_.output_width);
    };
    const int first = op_.first_input_row(begin(strip) / op_.output_width);
    return end_row(strip) - (strip == 0 ? first : std::max(first, end_row(strip - 1)));
  }

  [[nodiscard]] double tiles(std::size_t strip) const {
    return divide_up(plan.operation_ends[strip] - begin(strip), hardware_.pixels);
  }

  [[nodiscard]] double stage_cycles(std::size_t strip) const {
    double cycles = 0;
    const double blocks = divide_up(op_.filters, kBlockChannels);
    const double tiles = divide_up(plan.strip_ends[strip] - strip_begin(strip), hardware_.pixels);
    for (const Stage& stage : segment_.stages) {
      const double tile =
          stage.kind == StageKind::max_pool
              ? static_cast<double>(segment_.pool->tile_cycles({0, 1, 0, segment_.pool->kernel_height}))
              : hardware_.pixels * (kBlockChannels / hardware_.filters) * stage.operands();
      cycles += blocks * (tiles * tile + kInstructionCycles);
    }
    return cycles;
  }

  [[nodiscard]] double compute_cycles(std::size_t strip) const {
    if (op_.kind == OpKind::copy) return 0;
    const auto whole = static_cast<double>(op_.tile_cycles(op_.whole()));
    if (op_.kind == OpKind::max_pool) {
      return tiles(strip) * whole + kInstructionCycles * static_cast<double>(plan.units.size());
    }
    if (op_.by_blocks()) {
      const double drain = hardware_.pixels * op_.group_slots(hardware_.filters);
      const double conflicts = std::min(op_.stride_x, 2);
      return groups() * (tiles(strip) * std::max(drain, whole / op_.blocks * conflicts) + kInstructionCycles);
    }
    const double drain = hardware_.pixels * (op_.output_bits == 32 ? 4 : 1) * op_.parameter_sets();
    double tile = std::max(drain, whole);
    const double parts = static_cast<double>(plan.weights.parts.size());
    if (parts == 1) return groups() * (tiles(strip) * tile + kInstructionCycles);
    // The parts that stay arrive during one tile: the next group waits for the rest of them.
    tile += parts * kInstructionCycles;
    const double stay =
        static_cast<double>(plan.weights.resident_parts()) * plan.weights.part_words * hardware_.filters;
    return groups() * (tiles(strip) * tile + std::max(0.0, stay - tile));
  }

  /// Buffers filled over the whole layer.
  [[nodiscard]] double weight_loads() const {
    if (groups() == 0 || plan.weights.part_words == 0) return 0;
    const double buffers = plan.weights.buffers;
    const double strips = static_cast<double>(plan.operation_ends.size());
    const double parts = static_cast<double>(plan.weights.parts.size());
    const double items =
        parts > 1 ? parts * groups() : GroupBatches{plan.weights.batch}.batch_of(groups() - 1) + 1;
    if (items <= buffers) return items;
    if (parts > 1) {
      const double tiles = divide_up(op_.output_positions(), hardware_.pixels) / strips;
      const double resident = plan.weights.resident_parts();
      return strips * groups() * (resident + (parts - resident) * tiles);
    }
    if (plan.strips_outer) return turns(items, buffers, strips);
    const double units = static_cast<double>(plan.units.size());
    return units * turns(items / units, buffers, strips);
  }

  /// Cycles that loading `rows` rows of one pass takes.
  [[nodiscard]] double row_cycles(int rows) const {
    if (!op_.packing) return static_cast<double>(rows) * op_.input_width * op_.input_words();
    const ImagePacking& packing = *op_.packing;
    double position = 0;
    for (const int columns : packing.block_columns) {
      position +=
          std::max(4, packing.rows * divide_up(static_cast<long>(columns) * packing.image.channels, 9));
    }
    return rows * (op_.input_width * position + packing.stride_y * packing.image_row_bytes() / 8.0);
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
  if (op.stride_x == 1) choices.push_back(width + ((op.output_width - width) % pixels + pixels) % pixels);
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
      const double cycles = candidate.cycles(
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

}  // namespace

std::vector<int> WeightPlan::part_order() const {
  const int resident = resident_parts();
  const int streamed = part_count() - resident;
  std::vector<int> order;
  int next_resident = 0;
  for (int i = 0; i < streamed; ++i) {
    order.push_back(resident + i);
    while (next_resident < resident * (i + 1) / streamed) order.push_back(next_resident++);
  }
  while (next_resident < resident) order.push_back(next_resident++);
  return order;
}

WeightPlan plan_weights(const WindowOp& op, const HardwareInfo& hardware) {
  WeightPlan plan;
  const int lanes = hardware.filters;
  const int words = part_words(op, op.whole(), lanes);
  if (words == 0) {
    plan.parts = {op.whole()};
    return plan;
  }
  if (words <= hardware.weight_rows) {
    plan.parts = {op.whole()};
    plan.part_words = words;
    plan.batch = std::clamp(kFullBatchWords / (words * lanes), 1, kMostBatched);
    while (plan.batch > 1 && plan.batch * words * 4 > hardware.weight_rows) --plan.batch;
  } else {
    plan.parts = split_reduction(op, hardware.weight_rows, lanes);
    for (const ReductionPart& part : plan.parts)
      plan.part_words = std::max(plan.part_words, part_words(op, part, lanes));
  }
  plan.buffers = hardware.weight_rows / (plan.batch * plan.part_words);
  return plan;
}

ParameterPlan plan_parameters(const WindowOp& op, const HardwareInfo& hardware, int reserved) {
  const int slots = std::min(hardware.parameter_slots, kSlotLimit) - reserved;
  ParameterPlan plan;
  plan.first_slot = reserved;
  plan.group_slots = std::max(1, op.group_slots(hardware.filters));
  if (plan.group_slots > slots) {
    throw InputError(
        fmt::format("layer {}: a channel block takes {} parameter slots and {} are there; use hardware with "
                    "more or a larger F",
                    op.name, plan.group_slots + reserved, hardware.parameter_slots));
  }
  const int words = plan.group_slots * parameter_words(hardware.filters);
  plan.batch = std::clamp(kFullBatchWords / words, 1, std::max(1, slots / (2 * plan.group_slots)));
  plan.buffers = slots / (plan.batch * plan.group_slots);
  return plan;
}

int part_words(const WindowOp& op, const ReductionPart& part, int lanes) {
  if (op.kind == OpKind::depthwise) {
    return op.unit_weights ? 0 : depthwise_rows(op.kernel_height * op.kernel_width, lanes);
  }
  if (op.by_blocks()) return 0;
  const long taps = static_cast<long>(part.end_block - part.first_block) * (part.end_row - part.first_row) *
                    op.kernel_width;
  return static_cast<int>(op.block_channels == 64 ? taps : (taps * op.weight_bits + 1) / 2);
}

std::vector<ReductionPart> split_reduction(const WindowOp& op, int rows, int lanes) {
  if (op.by_blocks()) {
    throw InputError(fmt::format(
        "layer {}: the weights of one channel block take {} weight SRAM rows and {} are there; use a smaller "
        "kernel or hardware with more",
        op.name, part_words(op, op.whole(), lanes), rows));
  }
  const int granule = std::min(op.block_granule(), op.blocks);
  const int smallest = part_words(op, {0, granule, 0, 1}, lanes);
  if (smallest > rows) {
    throw InputError(
        fmt::format("layer {}: one kernel row of one channel block takes {} weight SRAM rows and {} are "
                    "there; use a narrower kernel, fewer weight bits or hardware with more",
                    op.name, smallest, rows));
  }
  const int target = std::max(rows / 12, smallest);  // small parts: more of them can stay on chip
  const int block_words = part_words(op, {0, granule, 0, op.kernel_height}, lanes);
  std::vector<ReductionPart> parts;
  const int blocks = std::max(1, target / block_words) * granule;
  const int kernel_rows = block_words <= target ? op.kernel_height : std::max(1, target / smallest);
  for (int block = 0; block < op.blocks; block += blocks) {
    for (int row = 0; row < op.kernel_height; row += kernel_rows) {
      parts.push_back(
          {block, std::min(block + blocks, op.blocks), row, std::min(row + kernel_rows, op.kernel_height)});
    }
  }
  return parts;
}

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
  search.try_order(frame);
  frame.strips_outer = false;
  search.try_order(frame);
  return search.best();
}

}  // namespace bitloop::host
