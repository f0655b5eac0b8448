#include "host/layer_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "host/error.h"

namespace bitloop::host {
namespace {

constexpr int kLargestRing = 65535;     // positions, 16-bit fields
constexpr int kInstructionCycles = 15;  // start-up of a compute instruction
constexpr int kTransferCycles = 25;     // start-up of a load or store that is not hidden
constexpr int kStartCycles = 150;       // descriptors and latency before the first load arrives
constexpr int kSlotLimit = 64;          // parameter slots that a descriptor can name
constexpr int kFullBatchWords = 256;    // a load of this many words hides its latency
constexpr int kMostBatched = 8;
constexpr int kUnlimited = 1 << 20;  // rounds of slack where a whole tensor is on chip

int round_up(int value, int multiple) { return (value + multiple - 1) / multiple * multiple; }
int divide_up(long value, long by) { return static_cast<int>((value + by - 1) / by); }

/// Rows that whole turns of a ring must be a multiple of, so that its size is a multiple of P.
int row_granule(int pitch, int pixels) { return pixels / std::gcd(pitch, pixels); }

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
  Candidate(const WindowOp& op, const HardwareInfo& hardware) : op_(op), hardware_(hardware) {}

  StreamPlan plan;

  /// Rows of the input that strips need: one alone, or with `ahead` strips that follow.
  [[nodiscard]] int input_rows(int ahead) const {
    int rows = 1;
    const auto& ends = plan.strip_ends;
    for (std::size_t s = 0; s < ends.size(); ++s) {
      const std::size_t last = std::min(s + ahead, ends.size() - 1);
      rows = std::max(rows, op_.end_input_row((ends[last] - 1) / op_.output_width) -
                                op_.first_input_row(begin(s) / op_.output_width));
    }
    return rows;
  }

  /// Rows of the output that are in use while a strip is computed and `behind` strips are stored.
  [[nodiscard]] int output_rows(int behind) const {
    int rows = 1;
    const auto& ends = plan.strip_ends;
    for (std::size_t s = 0; s < ends.size(); ++s) {
      const std::size_t first = s >= static_cast<std::size_t>(behind) ? s - behind : 0;
      rows = std::max(rows, divide_up(ends[s], op_.output_width) - begin(first) / op_.output_width);
    }
    return rows;
  }

  /// Places both rings; false where they do not fit.
  bool place(int pitch, int input_rows_wanted, int output_rows_wanted) {
    const int pixels = hardware_.pixels;
    plan.input.pitch = pitch;
    plan.input.rows = round_up(input_rows_wanted, row_granule(pitch, pixels));
    plan.output.pitch = op_.output_width;
    plan.output.rows = round_up(output_rows_wanted, row_granule(op_.output_width, pixels));
    if (plan.input.positions() > kLargestRing || plan.output.positions() > kLargestRing) return false;
    plan.input.stride = plan.input.positions() / pixels;
    plan.output.stride = plan.output.positions() / pixels;
    plan.input.base = 0;
    plan.output.base = plan.input.bank_rows();
    return plan.input.bank_rows() + plan.output.bank_rows() <= hardware_.activation_rows;
  }

  /// Estimated cycles of the layer.
  [[nodiscard]] double cycles(const Slack& slack) const {
    std::vector<Round> rounds;
    const std::size_t passes = plan.strips_outer ? 1 : plan.units.size();
    const double loads = weight_loads() / static_cast<double>(passes);
    for (std::size_t pass = 0; pass < passes; ++pass) {
      for (std::size_t s = 0; s < plan.strip_ends.size(); ++s) rounds.push_back(round(pass, s, loads));
    }
    return pipeline_cycles(rounds, slack);
  }

 private:
  [[nodiscard]] int begin(std::size_t strip) const { return strip == 0 ? 0 : plan.strip_ends[strip - 1]; }
  [[nodiscard]] int groups() const { return op_.pool ? 0 : divide_up(op_.filters, hardware_.filters); }

  /// `loads`: weight buffers filled per pass; what the first strip does not load is spread over the others.
  [[nodiscard]] Round round(std::size_t pass, std::size_t strip, double loads) const {
    const double units = plan.strips_outer ? 1 : static_cast<double>(plan.units.size());
    const double positions = plan.strip_ends[strip] - begin(strip);
    Round round;
    round.compute = compute_cycles(strip) / units;
    round.store = positions * op_.output_words() / units;
    if (pass == 0 || !plan.resident) {
      round.rows = row_cycles(new_rows(strip)) / (op_.pool ? units : 1);
    }
    if (op_.pool) return round;
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

  [[nodiscard]] int new_rows(std::size_t strip) const {
    const auto end_row = [&](std::size_t s) {
      return op_.end_input_row((plan.strip_ends[s] - 1) / op_.output_width);
    };
    const int first = op_.first_input_row(begin(strip) / op_.output_width);
    return end_row(strip) - (strip == 0 ? first : std::max(first, end_row(strip - 1)));
  }

  [[nodiscard]] double compute_cycles(std::size_t strip) const {
    const double tiles = divide_up(plan.strip_ends[strip] - begin(strip), hardware_.pixels);
    if (op_.pool) {
      return tiles * static_cast<double>(op_.tile_cycles(op_.whole())) +
             kInstructionCycles * static_cast<double>(plan.units.size());
    }
    const double drain = hardware_.pixels * (op_.output_bits == 32 ? 4 : 1);
    double tile = std::max(drain, static_cast<double>(op_.tile_cycles(op_.whole())));
    const double parts = static_cast<double>(plan.weights.parts.size());
    if (parts == 1) return groups() * (tiles * tile + kInstructionCycles);
    // The parts that stay arrive during one tile: the next group waits for the rest of them.
    tile += parts * kInstructionCycles;
    const double stay =
        static_cast<double>(plan.weights.resident_parts()) * plan.weights.part_words * hardware_.filters;
    return groups() * (tiles * tile + std::max(0.0, stay - tile));
  }

  /// Buffers filled over the whole layer.
  [[nodiscard]] double weight_loads() const {
    if (op_.pool) return 0;
    const double buffers = plan.weights.buffers;
    const double strips = static_cast<double>(plan.strip_ends.size());
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

  const WindowOp& op_;
  const HardwareInfo& hardware_;
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
  choices.push_back(width);
  choices.push_back(round_up(width, pixels));
  return choices;
}

WeightPlan plan_weights(const WindowOp& op, const HardwareInfo& hardware) {
  WeightPlan plan;
  const int words = part_words(op, op.whole());
  if (words <= hardware.weight_rows) {
    plan.parts = {op.whole()};
    plan.part_words = words;
    plan.batch = std::clamp(kFullBatchWords / (words * hardware.filters), 1, kMostBatched);
    while (plan.batch > 1 && plan.batch * words * 4 > hardware.weight_rows) --plan.batch;
  } else {
    plan.parts = split_reduction(op, hardware.weight_rows);
    for (const ReductionPart& part : plan.parts)
      plan.part_words = std::max(plan.part_words, part_words(op, part));
  }
  plan.buffers = hardware.weight_rows / (plan.batch * plan.part_words);
  return plan;
}

/// Units of a pool: `size` channel blocks each.
std::vector<Unit> pool_units(const WindowOp& op, int size) {
  std::vector<Unit> units;
  for (int first = 0; first < op.blocks; first += size) {
    const int end = std::min(first + size, op.blocks);
    units.push_back({first, end, op.words_before(first), op.words_before(end) - op.words_before(first)});
  }
  return units;
}

/// Keeps the cheapest of all candidates.
class Search {
 public:
  Search(const WindowOp& op, const HardwareInfo& hardware) : op_(op), hardware_(hardware) {}

  void try_order(const StreamPlan& frame) {
    for (const int rows : strip_rows_choices(op_)) {
      for (const int first_rows : {1, 2, 4, rows}) {
        if (first_rows > rows) continue;
        Candidate candidate(op_, hardware_);
        candidate.plan = frame;
        candidate.plan.strip_ends = strip_ends(op_, first_rows, rows, hardware_.pixels);
        for (const int pitch : pitch_choices(op_, hardware_.pixels)) try_rings(candidate, pitch);
      }
    }
  }

  [[nodiscard]] const std::optional<StreamPlan>& best() const { return best_; }

 private:
  void try_rings(Candidate& candidate, int pitch) {
    for (const int ahead : {-1, 2, 1, 0}) {  // -1: the whole input
      for (const int behind : {-1, 2, 1, 0}) {
        const int input_rows = ahead < 0 ? op_.input_height : candidate.input_rows(ahead);
        const int output_rows = behind < 0 ? op_.output_height : candidate.output_rows(behind);
        if (!candidate.place(pitch, input_rows, output_rows)) continue;
        candidate.plan.resident =
            candidate.plan.input.rows >= op_.input_height && (!op_.pool || candidate.plan.units.size() == 1);
        const double cycles =
            candidate.cycles({ahead < 0 ? kUnlimited : ahead, behind < 0 ? kUnlimited : behind});
        if (best_ && cycles >= best_cycles_) continue;
        best_ = candidate.plan;
        best_cycles_ = cycles;
      }
    }
  }

  const WindowOp& op_;
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

ParameterPlan plan_parameters(const HardwareInfo& hardware) {
  const int slots = std::min(hardware.parameter_slots, kSlotLimit);
  ParameterPlan plan;
  plan.batch = std::clamp(kFullBatchWords / parameter_words(hardware.filters), 1, std::max(1, slots / 2));
  plan.buffers = slots / plan.batch;
  return plan;
}

int part_words(const WindowOp& op, const ReductionPart& part) {
  const long taps = static_cast<long>(part.end_block - part.first_block) * (part.end_row - part.first_row) *
                    op.kernel_width;
  return static_cast<int>(op.block_channels == 64 ? taps : (taps * op.weight_bits + 1) / 2);
}

std::vector<ReductionPart> split_reduction(const WindowOp& op, int rows) {
  const int granule = std::min(op.block_granule(), op.blocks);
  const int smallest = part_words(op, {0, granule, 0, 1});
  if (smallest > rows) {
    throw InputError(
        fmt::format("layer {}: one kernel row of one channel block takes {} weight SRAM rows and {} are "
                    "there; use a narrower kernel, fewer weight bits or hardware with more",
                    op.name, smallest, rows));
  }
  const int target = std::max(rows / 12, smallest);  // small parts: more of them can stay on chip
  const int block_words = part_words(op, {0, granule, 0, op.kernel_height});
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

std::vector<Unit> filter_units(const WindowOp& op, int filters_per_group) {
  const int channels = word_channels(op.output_bits);
  if (channels % filters_per_group != 0) {
    throw InputError(
        fmt::format("layer {}: groups of {} filters do not fill channel blocks of {}; use hardware whose F "
                    "divides 32",
                    op.name, filters_per_group, channels));
  }
  const int groups = divide_up(op.filters, filters_per_group);
  const int per_unit = channels / filters_per_group;
  const int words = words_per_block(op.output_bits);
  std::vector<Unit> units;
  for (int first = 0; first < groups; first += per_unit) {
    units.push_back(
        {first, std::min(first + per_unit, groups), static_cast<int>(units.size()) * words, words});
  }
  return units;
}

std::optional<StreamPlan> plan_stream(const WindowOp& op, const HardwareInfo& hardware) {
  Search search(op, hardware);
  if (op.pool) {
    for (int size = op.blocks;; size = (size + 1) / 2) {
      StreamPlan frame;
      frame.strips_outer = false;
      frame.units = pool_units(op, size);
      frame.input.words = frame.output.words = frame.units[0].output_words;
      search.try_order(frame);
      if (size == 1) return search.best();
    }
  }
  StreamPlan frame;
  frame.units = filter_units(op, hardware.filters);
  frame.weights = plan_weights(op, hardware);
  frame.parameters = plan_parameters(hardware);
  frame.input.words = op.input_words();
  frame.output.words = op.output_words();
  search.try_order(frame);
  frame.strips_outer = false;
  frame.output.words = words_per_block(op.output_bits);
  search.try_order(frame);
  return search.best();
}

}  // namespace bitloop::host
