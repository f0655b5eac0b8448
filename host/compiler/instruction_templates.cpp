#include "host/compiler/instruction_templates.h"

#include <algorithm>
#include <bit>

namespace bitloop::host {
namespace {

int log2_bits(int bits) { return std::countr_zero(static_cast<unsigned>(bits)); }

void set_common(WindowWalk& walk, const WindowOp& op) {
  walk.stride_y = op.stride_y;
  walk.stride_x = op.stride_x;
  walk.dilation_y = op.dilation_y;
  walk.kernel_width = op.kernel_width;
  walk.dilation_x = op.dilation_x;
  walk.ix_start = -op.pad_x;
  walk.output_width = op.output_width;
  walk.input_bits_log2 = log2_bits(op.input_bits);
  walk.output_bits_log2 = log2_bits(op.output_bits);
  walk.zero_code = op.zero_code;
}

void set_blocks(WindowWalk& walk, const WindowOp& op, int first_block, int end_block) {
  walk.blocks = end_block - first_block;
  walk.last_block_channels = end_block == op.blocks ? op.last_block_channels : op.block_channels;
}

/// Where block `block` of `channels` channels goes in the words of the result.
template <class Instruction>
void set_block(Instruction& instruction, int channels, int block) {
  instruction.blocks = 1;
  instruction.channels = std::min(kBlockChannels, channels - block * kBlockChannels);
  instruction.last_block_channels = instruction.channels;
  instruction.zero_extend = (block + 1) * kBlockChannels >= channels;
  instruction.bit_offset = instruction.output_bits_log2 == 0 ? block % 2 * kBlockChannels : 0;
}

}  // namespace

Conv conv_template(const WindowOp& op, const ReductionPart& part, int group, int unit_first_group,
                   int lanes) {
  Conv conv;
  set_common(conv, op);
  set_blocks(conv, op, part.first_block, part.end_block);
  conv.kernel_height = part.end_row - part.first_row;
  conv.weight_bits_log2 = log2_bits(op.weight_bits);
  conv.filters = std::min(lanes, op.filters - group * lanes);
  conv.bit_offset = (group - unit_first_group) * lanes;
  conv.zero_extend = (group + 1) * lanes >= op.filters;
  conv.leaky = op.leaky;
  conv.table = op.table;
  return conv;
}

MaxPool pool_template(const WindowOp& op, int first_block, int end_block) {
  MaxPool pool;
  set_common(pool, op);
  set_blocks(pool, op, first_block, end_block);
  pool.kernel_height = op.kernel_height;
  return pool;
}

Depthwise depthwise_template(const WindowOp& op, int block) {
  Depthwise depthwise;
  set_common(depthwise, op);
  set_block(depthwise, op.filters, block);
  depthwise.kernel_height = op.kernel_height;
  depthwise.unit = op.unit_weights;
  depthwise.product = op.product;
  depthwise.signed_input = op.product && op.zero_code != 0;
  depthwise.upper_half = op.input_bits == 1 && block % 2 == 1;
  depthwise.leaky = op.leaky;
  depthwise.table = op.table;
  return depthwise;
}

Add add_template(int channels, int block, int operands, bool table, int output_bits) {
  Add add;
  add.input_bits_log2 = log2_bits(8);
  add.output_bits_log2 = log2_bits(output_bits);
  set_block(add, channels, block);
  add.operands = operands;
  add.table = table;
  return add;
}

}  // namespace bitloop::host
