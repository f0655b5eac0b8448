#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include "host/device.h"
#include "host/window_op.h"

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
  int batch = 1;    ///< groups per LOAD_PARAM
  int buffers = 1;  ///< of `batch` slots
};

/// Rows of positions in activation SRAM that wrap around.
struct Ring {
  int base = 0;    ///< bank row of word 0
  int stride = 0;  ///< bank rows from word to word
  int pitch = 0;   ///< positions from row to row
  int rows = 0;
  int words = 0;  ///< per position
  [[nodiscard]] int positions() const { return pitch * rows; }
  [[nodiscard]] int bank_rows() const { return stride * words; }
};

/// Filters (or, for a pool, channels) that are written to whole output words together.
struct Unit {
  int first_group = 0;  ///< groups of F filters; for a pool, channel blocks
  int end_group = 1;
  int output_word = 0;  ///< first word per position in memory
  int output_words = 1;
};

/// A layer whose input streams through a ring of rows, strip by strip of output positions.
struct StreamPlan {
  /// True: each strip computes all units before the next strip. False: each unit computes all strips.
  bool strips_outer = true;
  bool resident = false;        ///< the input is loaded once and stays
  std::vector<int> strip_ends;  ///< flattened output positions; all but the last are multiples of P
  std::vector<Unit> units;
  Ring input;
  Ring output;
  WeightPlan weights;
  ParameterPlan parameters;
};

/// Splits a reduction so that parts of at most `rows` weight SRAM rows result. Throws InputError naming the
/// layer where even one kernel row of one channel block has more.
std::vector<ReductionPart> split_reduction(const WindowOp& op, int rows);

/// Weight SRAM rows of a part, per filter.
int part_words(const WindowOp& op, const ReductionPart& part);

/// Units of a convolution for groups of F filters.
std::vector<Unit> filter_units(const WindowOp& op, int filters_per_group);

ParameterPlan plan_parameters(const HardwareInfo& hardware);

/// The fastest plan by the model of memory and array time, or nothing where no ring of rows fits.
std::optional<StreamPlan> plan_stream(const WindowOp& op, const HardwareInfo& hardware);

}  // namespace bitloop::host
