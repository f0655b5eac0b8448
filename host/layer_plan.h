#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include "host/device.h"
#include "host/segment.h"

namespace bitloop::host {

/// Groups of filters that one load brings: the first alone, so that computing starts early, then `size` at a
/// time.
struct GroupBatches {
  int size = 1;
  [[nodiscard]] int batch_of(int group) const { return group == 0 ? 0 : 1 + (group - 1) / size; }
  [[nodiscard]] int first_group(int batch) const { return batch == 0 ? 0 : 1 + (batch - 1) * size; }
  /// Groups of a batch where there are `groups` in all.
  [[nodiscard]] int count(int batch, int groups) const {
    return batch == 0 ? 1 : std::min(size, groups - first_group(batch));
  }
};

/// How the reduction of one output splits, and how its weights share the weight SRAM.
struct WeightPlan {
  std::vector<ReductionPart> parts;  ///< one, unless the weights of one group of filters do not fit
  int part_words = 0;                ///< weight SRAM rows of the largest part
  int batch = 1;                     ///< groups per LOAD_WEIGHT; 1 where there are parts
  int buffers = 1;                   ///< buffers of batch * part_words rows

  [[nodiscard]] int part_count() const { return static_cast<int>(parts.size()); }
  /// Parts of a group that stay on chip while its tiles are computed; the others stream through two buffers.
  [[nodiscard]] int resident_parts() const {
    return part_count() <= buffers ? part_count() : std::max(0, buffers - 2);
  }
  [[nodiscard]] bool is_resident(int part) const { return part < resident_parts(); }
  /// The parts in the order in which a tile takes them: streamed ones spread evenly, so that each has time to
  /// arrive.
  [[nodiscard]] std::vector<int> part_order() const;
};

struct ParameterPlan {
  int first_slot = 0;   ///< of the first buffer
  int group_slots = 1;  ///< slots of a group
  int batch = 1;        ///< groups per LOAD_PARAM
  int buffers = 1;      ///< of `batch * group_slots` slots
};

/// Where rows of an operand or a result lie while a segment runs.
struct Buffer {
  Ring ring;
  bool whole = false;  ///< the tensor's own place on chip: positions and words are the tensor's
};

/// Channels that are computed, loaded and stored together: whole words of every width that the segment has.
struct Unit {
  int first_group = 0;  ///< groups of WindowOp::group_channels
  int end_group = 1;
  int first_channel = 0;
  int end_channel = 1;
  /// First word of the unit in codes of `bits` bits, and how many words.
  [[nodiscard]] int first_word(int bits) const {
    return first_channel / word_channels(bits) * words_per_block(bits);
  }
  [[nodiscard]] int words(int bits) const { return words_per_position(end_channel - first_channel, bits); }
};

/// A segment whose operands stream through rings of rows, strip by strip of output positions.
struct StreamPlan {
  /// True: each strip computes all units before the next strip. False: each unit computes all strips.
  bool strips_outer = true;
  bool resident = false;  ///< the input is on chip, or loaded once, and stays
  /// Flattened positions of the operation's output where strips end; all but the last are multiples of P.
  std::vector<int> operation_ends;
  std::vector<int> strip_ends;  ///< the same of what the last stage gives; others only behind a pool
  std::vector<Unit> units;
  Buffer input;
  std::optional<Buffer> second;
  std::vector<Buffer> results;  ///< of the operation, then of each stage; a copy's is its input
  WeightPlan weights;
  ParameterPlan parameters;
};

/// Splits a reduction so that parts of at most `rows` weight SRAM rows result. Throws InputError naming the
/// layer where even one kernel row of one channel block has more.
std::vector<ReductionPart> split_reduction(const WindowOp& op, int rows, int lanes);

/// Weight SRAM rows of a part of one group; of a depthwise block for F = `lanes`.
int part_words(const WindowOp& op, const ReductionPart& part, int lanes);

/// Units of at least `groups` groups each.
std::vector<Unit> make_units(const Segment& segment, int groups, int lanes);

WeightPlan plan_weights(const WindowOp& op, const HardwareInfo& hardware);
/// `reserved` slots belong to somebody else.
ParameterPlan plan_parameters(const WindowOp& op, const HardwareInfo& hardware, int reserved);

/// The fastest plan by the model of memory and array time, or nothing where no rings of rows fit.
std::optional<StreamPlan> plan_stream(const Segment& segment, const HardwareInfo& hardware);

}  // namespace bitloop::host
