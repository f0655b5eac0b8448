#include "host/compiler/tile_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "host/base/error.h"
#include "host/base/integers.h"

namespace bitloop::host {
namespace {

/// Columns that a full tile reads.
int patch_columns(const WindowOp& op, int tile) {
  return std::min(op.input_width, (tile - 1) * op.stride_x + op.span_width());
}

/// Sizes the buffers for parts of this size; false where fewer than `buffers` of each fit.
bool size_buffers(const WindowOp& op, const HardwareInfo& hardware, int blocks, int rows, int buffers,
                  TilePlan& plan) {
  const ReductionPart largest{0, blocks, 0, rows};
  const int patch_rows = std::min(rows, op.input_height);
  plan.patch_stride = divide_up(patch_rows * patch_columns(op, plan.tile), hardware.pixels);
  plan.patch_words = op.input_words(largest);
  plan.patch_buffers = plan.output_base / (plan.patch_stride * plan.patch_words);
  plan.weights.part_words = part_words(op, largest, hardware.filters);
  if (plan.weights.part_words == 0) return plan.patch_buffers >= buffers;
  plan.weights.buffers = hardware.weight_rows / plan.weights.part_words;
  return plan.patch_buffers >= buffers && plan.weights.buffers >= buffers;
}

[[noreturn]] void refuse(const WindowOp& op, const HardwareInfo& hardware, const TilePlan& plan) {
  throw InputError(
      fmt::format("layer {}: the smallest piece takes {} activation and {} weight SRAM rows, and {} and {} "
                  "are there; use a "
                  "smaller kernel or stride, fewer bits or larger hardware",
                  op.name, plan.patch_stride * plan.patch_words + 2 * plan.output_words,
                  plan.weights.part_words, hardware.activation_rows, hardware.weight_rows));
}

void choose_parts(const WindowOp& op, const HardwareInfo& hardware, TilePlan& plan) {
  const int granule = std::min(op.block_granule(), op.blocks);
  for (const int buffers : {2, 1}) {
    for (int rows = op.kernel_height; rows >= 1; rows = rows == 1 || op.by_blocks() ? 0 : (rows + 1) / 2) {
      for (int blocks = op.by_blocks() ? granule : op.blocks; blocks >= granule;) {
        if (size_buffers(op, hardware, blocks, rows, buffers, plan)) {
          plan.input_parts = reduction_parts(op, blocks, rows);
          plan.weights.parts = op.by_blocks() ? std::vector{op.whole()} : plan.input_parts;
          return;
        }
        const int half = round_up(blocks / 2, granule);
        blocks = half < blocks ? half : 0;
      }
    }
  }
  size_buffers(op, hardware, granule, op.by_blocks() ? op.kernel_height : 1, 1, plan);
  refuse(op, hardware, plan);
}

}  // namespace

TilePlan plan_tiles(const Segment& segment, const HardwareInfo& hardware) {
  const WindowOp& op = segment.op;
  TilePlan plan;
  plan.tile = std::min(hardware.pixels, op.output_width);
  plan.units = make_units(segment, 1, hardware.filters);
  plan.output_words = plan.units.front().words(op.output_bits);
  plan.output_base = hardware.activation_rows - 2 * plan.output_words;
  plan.parameters = plan_parameters(op, hardware, 0);
  const bool on_chip = segment.input.on_chip || segment.results[0].on_chip ||
                       segment.free.count() < hardware.activation_rows;  // somebody else's tensor is there
  if (op.kind == OpKind::add || op.kind == OpKind::copy || !segment.stages.empty() || on_chip) {
    throw InputError(
        fmt::format("layer {}: rows of {} positions by {} words do not fit {} activation SRAM rows; use "
                    "larger hardware or "
                    "a narrower image",
                    op.name, op.output_width, op.input_words(), hardware.activation_rows));
  }
  choose_parts(op, hardware, plan);
  return plan;
}

}  // namespace bitloop::host
