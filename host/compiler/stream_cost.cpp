#include "host/compiler/stream_cost.h"

#include <algorithm>

#include "host/base/integers.h"

namespace bitloop::host {
namespace {

constexpr int kInstructionCycles = 15;    // start-up of a compute instruction
constexpr double kLongTile = 64;          // cycles of the last tile of the one before that hide it
constexpr int kHiddenCycles = 5;          // what is left of it then
constexpr int kTransferCycles = 25;       // start-up of a load or store that is not hidden
constexpr double kManyDescriptors = 1.2;  // of the memory's time, where they must not come late
constexpr double kLeastPart = 25;         // of a tile that is not its last: the drain before it must be idle
constexpr double kPartsCycles = 110;      // of tiles in parts: descriptors that come late at a segment's ends
constexpr int kStageEndCycles = 150;      // of a woven stage: its last tile, descriptors that come late
constexpr int kStartCycles = 150;         // descriptors and latency before the first load arrives

/// Cycles of one round of a plan: a strip of all units, or a strip of one unit.
struct Round {
  double rows = 0;         ///< loading input rows that are not on chip
  double first_group = 0;  ///< loading what the first group of filters needs
  double weights = 0;      ///< loading the other groups' weights
  double compute = 0;
  double store = 0;
  double descriptors = 0;  ///< words of theirs, where there are many
};

/// The three engines, round by round, as their buffers let them. Memory moves one word per cycle in all.
double pipeline_cycles(std::span<const Round> rounds, const Slack& slack) {
  std::vector<double> computed;
  std::vector<double> stored;
  computed.reserve(rounds.size());
  stored.reserve(rounds.size());
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
    words += round.rows + round.first_group + round.weights + round.store + round.descriptors;
  }
  return std::max(stored.back(), rounds.back().descriptors > 0 ? kManyDescriptors * words : words);
}

/// Loads of `items` used in turn, `rounds` times, through `buffers` buffers.
double turns(double items, double buffers, double rounds) {
  const double again = items <= buffers ? 0 : items - std::max(0.0, buffers - 1);
  return items + (rounds - 1) * again;
}

/// The model of one plan.
class StreamCost {
 public:
  StreamCost(const StreamPlan& plan, const Segment& segment, const HardwareInfo& hardware)
      : plan_(plan), segment_(segment), op_(segment.op), hardware_(hardware) {}

  /// Estimated cycles of the layer. Passes beyond the third are like the third.
  [[nodiscard]] double cycles(const Slack& slack) const {
    const std::size_t passes = plan_.strips_outer ? 1 : plan_.units.size();
    const std::vector<Round> rounds = first_rounds(std::min<std::size_t>(passes, 3));
    const std::size_t two = std::min(rounds.size(), 2 * plan_.operation_ends.size());
    const double first = pipeline_cycles(std::span(rounds).first(two), slack);
    if (passes <= 2) return first;
    return first + static_cast<double>(passes - 2) * (pipeline_cycles(rounds, slack) - first);
  }

 private:
  /// Of the first passes: those behind the first are alike.
  [[nodiscard]] std::vector<Round> first_rounds(std::size_t passes) const {
    const std::size_t strips = plan_.operation_ends.size();
    std::vector<Round> rounds;
    rounds.reserve(passes * strips);
    const double loads =
        weight_loads() / (plan_.strips_outer ? 1.0 : static_cast<double>(plan_.units.size()));
    for (std::size_t pass = 0; pass < passes; ++pass) {
      for (std::size_t s = 0; s < strips; ++s) {
        rounds.push_back(pass < 2 ? round(pass, s, loads) : rounds[strips + s]);
      }
    }
    return rounds;
  }

  [[nodiscard]] int groups() const {
    return op_.group_slots(hardware_.filters) == 0 ? 0 : op_.groups(hardware_.filters);
  }

  /// `loads`: weight buffers filled per pass; what the first strip does not load is spread over the others.
  [[nodiscard]] Round round(std::size_t pass, std::size_t strip, double loads) const {
    const double units = plan_.strips_outer ? 1 : static_cast<double>(plan_.units.size());
    const double positions = plan_.operation_ends[strip] - plan_.operation_begin(strip);
    Round round;
    round.compute =
        (plan_.weave.groups > 0 ? woven_cycles(strip) : compute_cycles(strip) + stage_cycles(strip)) / units;
    round.store = stored_words(strip) / units;
    round.descriptors = woven_descriptors(strip) / units * kDescriptorBytes / kWordBytes;
    if (!plan_.input.whole && (pass == 0 || !plan_.resident)) {
      round.rows = row_cycles(new_rows(strip)) / (op_.by_blocks() ? units : 1);
    }
    if (plan_.second && !plan_.second->whole) {
      round.rows += positions * words_per_position(op_.filters, 8) / units;
    }
    if (groups() == 0 || plan_.weights.part_words == 0) return round;
    const double buffer =
        static_cast<double>(plan_.weights.part_words) * plan_.weights.batch * hardware_.filters;
    const double once = std::min(loads, groups() * static_cast<double>(plan_.weights.parts.size()) / units);
    const double again =
        (loads - once) / std::max<double>(1, static_cast<double>(plan_.strip_ends.size()) - 1);
    const double filled = strip == 0 ? once : again;
    if (strip == 0) round.first_group = first_weights();
    round.weights = std::max(0.0, filled * buffer - round.first_group);
    // With one buffer, loading waits for computing.
    if (plan_.weights.buffers == 1) round.compute += round.weights;
    return round;
  }

  [[nodiscard]] double stored_words(std::size_t strip) const {
    double words = 0;
    for (int i = 0; i < segment_.result_count(); ++i) {
      if (!segment_.results[static_cast<std::size_t>(i)].in_memory) continue;
      const double positions = i == 0 ? plan_.operation_ends[strip] - plan_.operation_begin(strip)
                                      : plan_.strip_ends[strip] - plan_.strip_begin(strip);
      words +=
          positions * words_per_position(op_.filters, segment_.result_bits(i)) * op_.repeat.y * op_.repeat.x;
    }
    return words;
  }

  [[nodiscard]] int new_rows(std::size_t strip) const {
    const auto end_row = [&](std::size_t s) {
      return op_.end_input_row((plan_.operation_ends[s] - 1) / op_.output_width);
    };
    const int first = op_.first_input_row(plan_.operation_begin(strip) / op_.output_width);
    return end_row(strip) - (strip == 0 ? first : std::max(first, end_row(strip - 1)));
  }

  [[nodiscard]] double tiles(std::size_t strip) const {
    return divide_up(plan_.operation_ends[strip] - plan_.operation_begin(strip), hardware_.pixels);
  }

  [[nodiscard]] double stage_cycles(std::size_t strip, const Stage& stage) const {
    const double blocks = divide_up(op_.filters, kBlockChannels);
    const double tiles = divide_up(plan_.strip_ends[strip] - plan_.strip_begin(strip), hardware_.pixels);
    const double tile =
        stage.kind == StageKind::max_pool
            ? static_cast<double>(segment_.pool->tile_cycles({0, 1, 0, segment_.pool->kernel_height}))
            : hardware_.pixels * (kBlockChannels / hardware_.filters) * stage.operands();
    return blocks * (tiles * tile + kInstructionCycles);
  }

  [[nodiscard]] double stage_cycles(std::size_t strip) const {
    double cycles = 0;
    for (const Stage& stage : segment_.stages) cycles += stage_cycles(strip, stage);
    return cycles;
  }

  [[nodiscard]] double compute_cycles(std::size_t strip) const {
    if (op_.kind == OpKind::copy) return 0;
    const auto whole = static_cast<double>(op_.tile_cycles(op_.whole()));
    if (op_.kind == OpKind::max_pool) {
      return tiles(strip) * whole + kInstructionCycles * static_cast<double>(plan_.units.size());
    }
    if (op_.by_blocks()) {
      const double drain = hardware_.pixels * op_.group_slots(hardware_.filters);
      const double word = std::max(std::min(op_.stride_x, 2), channel_passes(hardware_));  // lanes that meet
      return groups() * (tiles(strip) * std::max(drain, whole / op_.blocks * word) + kInstructionCycles);
    }
    const double drain = hardware_.pixels * (op_.output_bits == 32 ? 4 : 1) * op_.parameter_sets();
    const double tile = std::max(drain, part_cycles());
    const double start = tile < kLongTile ? kInstructionCycles : kHiddenCycles;
    if (plan_.weights.part_count() == 1) return groups() * (tiles(strip) * tile + start);
    const double ends = strip == 0 ? kPartsCycles : 0;
    return groups() * (std::max(tiles(strip) * tile + late_weights(tile), group_words()) + start) + ends;
  }

  /// The stages' tiles stand between those of the operation; the last ones of a round stand alone, but behind
  /// a pool, where they stand between those of the next.
  [[nodiscard]] double woven_cycles(std::size_t strip) const {
    const auto units = static_cast<double>(plan_.units.size());
    const double alone = segment_.pool
                             ? stage_cycles(strip, segment_.stages.front())
                             : units * kStageEndCycles * static_cast<double>(segment_.stages.size());
    return units * tiles(strip) * plan_.weave.tile_cycles + alone +
           groups() * late_weights(static_cast<double>(op_.tile_cycles(op_.whole())));
  }

  [[nodiscard]] double woven_descriptors(std::size_t strip) const {
    const double groups = static_cast<double>(plan_.units.size()) * plan_.weave.groups;
    if (groups == 0) return 0;
    const double blocks =
        static_cast<double>(segment_.stages.size()) * divide_up(op_.filters, kBlockChannels);
    return tiles(strip) * (groups * plan_.weights.part_count() + blocks);
  }

  /// Loading the weights of a group: where they are in parts, each strip loads them anew.
  [[nodiscard]] double group_words() const {
    return static_cast<double>(plan_.weights.part_words) * plan_.weights.part_count() * hardware_.filters;
  }

  /// Cycles that a group waits for its weights: the parts that stay arrive during the last tile of the group
  /// before, but for those that have room of their own.
  [[nodiscard]] double late_weights(double tile) const {
    if (plan_.weights.part_count() == 1 || weights_stay()) return 0;
    const double late = static_cast<double>(plan_.weights.part_words) * hardware_.filters *
                        std::max(0, plan_.weights.resident_parts() - plan_.weights.spare_parts());
    return std::max(0.0, late - tile);
  }

  /// Array cycles of a tile, part by part.
  [[nodiscard]] double part_cycles() const {
    if (plan_.weights.part_count() == 1) return static_cast<double>(op_.tile_cycles(op_.whole()));
    double cycles = 0;
    for (const ReductionPart& part : plan_.weights.parts)
      cycles += std::max(kLeastPart, static_cast<double>(op_.tile_cycles(part)));
    return cycles;
  }

  /// Loading weights before the first tile's last part can start: of its group, or of all groups whose tiles
  /// take turns with the stages'.
  [[nodiscard]] double first_weights() const {
    const bool turns = plan_.weave.inside && plan_.weave.groups == plan_.units.front().groups();
    const int groups = turns ? plan_.weave.groups : 1;
    const double part = static_cast<double>(plan_.weights.part_words) * hardware_.filters;
    const auto last = static_cast<double>(op_.tile_cycles(plan_.weights.parts.back()));
    return std::max(part, part * groups * plan_.weights.part_count() - (groups * part_cycles() - last));
  }

  /// All groups' weights are on chip together.
  [[nodiscard]] bool weights_stay() const {
    return groups() * plan_.weights.part_count() <= plan_.weights.buffers;
  }

  /// Buffers filled over the whole layer.
  [[nodiscard]] double weight_loads() const {
    if (groups() == 0 || plan_.weights.part_words == 0) return 0;
    const double buffers = plan_.weights.buffers;
    const double strips = static_cast<double>(plan_.operation_ends.size());
    const double parts = static_cast<double>(plan_.weights.parts.size());
    const double items =
        parts > 1 ? parts * groups() : GroupBatches{plan_.weights.batch}.batch_of(groups() - 1) + 1;
    if (items <= buffers) return items;
    if (parts > 1) {
      const double tiles = static_cast<double>(divide_up(op_.output_positions(), hardware_.pixels)) / strips;
      const double resident = plan_.weights.resident_parts();
      return strips * groups() * (resident + (parts - resident) * tiles);
    }
    if (plan_.strips_outer) return turns(items, buffers, strips);
    const double units = static_cast<double>(plan_.units.size());
    return units * turns(items / units, buffers, strips);
  }

  /// Cycles that loading `rows` rows of one pass takes.
  [[nodiscard]] double row_cycles(int rows) const {
    if (!op_.packing) return static_cast<double>(rows) * op_.input_width * op_.input_words();
    const ImagePacking& packing = *op_.packing;
    double position = 0;
    for (const int columns : packing.block_columns) {
      position += std::max(4, packing.rows * divide_up(columns * packing.image.channels, 9));
    }
    return rows * (op_.input_width * position + packing.stride_y * packing.image_row_bytes() / 8.0);
  }

  const StreamPlan& plan_;
  const Segment& segment_;
  const WindowOp& op_;
  const HardwareInfo& hardware_;
};

}  // namespace

double stream_cycles(const StreamPlan& plan, const Segment& segment, const HardwareInfo& hardware,
                     const Slack& slack) {
  return StreamCost(plan, segment, hardware).cycles(slack);
}

}  // namespace bitloop::host
