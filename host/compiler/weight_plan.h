#pragma once

#include <algorithm>
#include <vector>

#include "host/compiler/window_op.h"
#include "host/device/device.h"

namespace bitloop::host {

inline constexpr int kFullBatchWords = 256;  ///< a load of this many words hides its latency

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
  /// One, unless the weights of two groups of filters do not fit: then parts of the next group take the place
  /// of this one's as its last tile has done with them.
  std::vector<ReductionPart> parts;
  int part_words = 0;  ///< weight SRAM rows of the largest part
  int batch = 1;       ///< groups per LOAD_WEIGHT; 1 where there are parts
  int buffers = 1;     ///< buffers of batch * part_words rows

  [[nodiscard]] int part_count() const { return static_cast<int>(parts.size()); }
  /// Parts of a group that stay on chip while its tiles are computed; the others stream through two buffers.
  [[nodiscard]] int resident_parts() const {
    return part_count() <= buffers ? part_count() : std::max(0, buffers - 2);
  }
  /// Parts of the next group for which there is room beside all of this one's.
  [[nodiscard]] int spare_parts() const { return std::max(0, buffers - part_count()); }
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

/// Parts of at most `blocks` channel blocks and `kernel_rows` rows of the kernel.
std::vector<ReductionPart> reduction_parts(const WindowOp& op, int blocks, int kernel_rows);

/// Splits a reduction so that parts of at most `rows` weight SRAM rows result. Throws InputError naming the
/// layer where even one kernel row of one channel block has more.
std::vector<ReductionPart> split_reduction(const WindowOp& op, int rows, int lanes);

/// Weight SRAM rows of a part of one group; of a depthwise block for F = `lanes`.
int part_words(const WindowOp& op, const ReductionPart& part, int lanes);

WeightPlan plan_weights(const WindowOp& op, const HardwareInfo& hardware);
/// The reduction of a convolution in about `count` parts of about the same size, though two groups fit: so
/// that a tile starts with its first part, and something else can come between two.
WeightPlan split_weights(const WindowOp& op, const HardwareInfo& hardware, int count);
/// `reserved` slots belong to somebody else.
ParameterPlan plan_parameters(const WindowOp& op, const HardwareInfo& hardware, int reserved);

}  // namespace bitloop::host
