#include "host/compiler/weight_plan.h"

#include <fmt/format.h>

#include "host/base/error.h"
#include "host/base/integers.h"

namespace bitloop::host {
namespace {

constexpr int kSlotLimit = 64;  // parameter slots that a descriptor can name
constexpr int kMostBatched = 8;

/// Of a group's parts, one each.
void set_buffers(WeightPlan& plan, const WindowOp& op, const HardwareInfo& hardware) {
  for (const ReductionPart& part : plan.parts)
    plan.part_words = std::max(plan.part_words, part_words(op, part, hardware.filters));
  plan.buffers = hardware.weight_rows / plan.part_words;
}

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
  if (2 * words <= hardware.weight_rows || (op.by_blocks() && words <= hardware.weight_rows)) {
    plan.parts = {op.whole()};
    plan.part_words = words;
    plan.batch = std::clamp(kFullBatchWords / (words * lanes), 1, kMostBatched);
    while (plan.batch > 1 && plan.batch * words * 4 > hardware.weight_rows) --plan.batch;
    plan.buffers = hardware.weight_rows / (plan.batch * words);
  } else {
    plan.parts = split_reduction(op, hardware.weight_rows, lanes);
    set_buffers(plan, op, hardware);
  }
  return plan;
}

WeightPlan split_weights(const WindowOp& op, const HardwareInfo& hardware, int count) {
  const int granules = divide_up(op.blocks, op.block_granule());
  WeightPlan plan;
  plan.parts =
      granules >= count
          ? reduction_parts(op, divide_up(granules, count) * op.block_granule(), op.kernel_height)
          : reduction_parts(op, op.block_granule(), divide_up(op.kernel_height, divide_up(count, granules)));
  set_buffers(plan, op, hardware);
  return plan;
}

std::vector<ReductionPart> reduction_parts(const WindowOp& op, int blocks, int kernel_rows) {
  std::vector<ReductionPart> parts;
  for (int block = 0; block < op.blocks; block += blocks) {
    for (int row = 0; row < op.kernel_height; row += kernel_rows) {
      parts.push_back(
          {block, std::min(block + blocks, op.blocks), row, std::min(row + kernel_rows, op.kernel_height)});
    }
  }
  return parts;
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
    return !op.has_weights() ? 0 : depthwise_rows(op.kernel_height * op.kernel_width, lanes);
  }
  if (op.by_blocks()) return 0;
  const long taps = static_cast<long>(part.end_block - part.first_block) * (part.end_row - part.first_row) *
                    op.kernel_width;
  return static_cast<int>(op.block_channels == 64 ? taps : divide_up(taps * op.weight_bits, 2));
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
  const int blocks = std::max(1, target / block_words) * granule;
  const int kernel_rows = block_words <= target ? op.kernel_height : std::max(1, target / smallest);
  return reduction_parts(op, blocks, kernel_rows);
}

}  // namespace bitloop::host
