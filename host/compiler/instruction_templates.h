#pragma once

#include "host/compiler/window_op.h"
#include "host/program/instruction.h"

namespace bitloop::host {

/// What an instruction of this operation always says. CONV: for one part of the reduction.
Conv conv_template(const WindowOp& op, const ReductionPart& part, int group, int unit_first_group, int lanes);
MaxPool pool_template(const WindowOp& op, int first_block, int end_block);
Depthwise depthwise_template(const WindowOp& op, int block);
/// ADD of one channel block of `channels` in all, 8-bit operands, results of `output_bits`.
Add add_template(int channels, int block, int operands, bool table, int output_bits);

}  // namespace bitloop::host
