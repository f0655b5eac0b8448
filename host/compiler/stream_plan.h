#pragma once

#include <optional>
#include <vector>

#include "host/compiler/segment.h"
#include "host/compiler/stage_weave.h"
#include "host/compiler/weight_plan.h"

namespace bitloop::host {

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
  [[nodiscard]] int groups() const { return end_group - first_group; }
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
  Weave weave;

  /// Flattened positions where strips start.
  [[nodiscard]] int operation_begin(std::size_t strip) const {
    return strip == 0 ? 0 : operation_ends[strip - 1];
  }
  [[nodiscard]] int strip_begin(std::size_t strip) const { return strip == 0 ? 0 : strip_ends[strip - 1]; }
};

/// Units of at least `groups` groups each.
std::vector<Unit> make_units(const Segment& segment, int groups, int lanes);

/// The fastest plan by the model of memory and array time, or nothing where no rings of rows fit.
std::optional<StreamPlan> plan_stream(const Segment& segment, const HardwareInfo& hardware);

}  // namespace bitloop::host
