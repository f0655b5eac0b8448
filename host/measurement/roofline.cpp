#include "host/measurement/roofline.h"

#include <algorithm>

#include "host/compiler/weight_plan.h"

namespace bitloop::host {
namespace {

/// Taps times input channels of one output.
double products(const WindowOp& op) {
  if (op.packing) {
    double columns = 0;
    for (const int block : op.packing->block_columns) columns += block;
    return columns * op.packing->kernel_rows * op.packing->image.channels;
  }
  const double taps = static_cast<double>(op.kernel_height) * op.kernel_width;
  if (op.by_blocks()) return taps * op.operands;
  return taps * ((op.blocks - 1) * op.block_channels + op.last_block_channels);
}

double outputs(const WindowOp& op) { return static_cast<double>(op.output_positions()) * op.filters; }

double compute_cycles(const WindowOp& op, const HardwareInfo& hardware) {
  const double work = outputs(op) * products(op);
  const double pixels = hardware.pixels;
  switch (op.kind) {
    case OpKind::copy:
      return 0;
    case OpKind::conv:
      return work * op.weight_bits * op.input_bits / (pixels * hardware.filters * 64);
    case OpKind::max_pool:
      return work * words_per_block(op.input_bits) / (pixels * word_channels(op.input_bits));
    default:
      return work * words_per_block(op.input_bits) / (pixels * hardware.channel_lanes);
  }
}

double read_words(const Segment& segment, const HardwareInfo& hardware) {
  const WindowOp& op = segment.op;
  double words = 0;
  if (op.packing) {
    const ImagePacking& packing = *op.packing;
    const double rows = std::min(packing.image.height, op.output_height * packing.kernel_rows);
    words += rows * packing.image_row_bytes() / 8;
  } else if (!segment.input.on_chip) {
    // strides beyond the kernel leave rows and columns out
    const double rows = std::min(op.input_height, op.output_height * op.kernel_height);
    const double columns = std::min(op.input_width, op.output_width * op.kernel_width);
    words += rows * columns * op.input_words();
  }
  const auto positions = static_cast<double>(op.output_positions());
  if (segment.second && !segment.second->on_chip) words += positions * words_per_position(op.filters, 8);
  const int lanes = hardware.filters;
  const double groups = op.groups(lanes);
  words += groups * lanes * part_words(op, op.whole(), lanes);
  return words + (groups * op.group_slots(lanes) + segment.stage_slots(lanes)) * parameter_words(lanes);
}

double written_words(const Segment& segment) {
  const WindowOp& op = segment.op;
  double words = 0;
  for (int i = 0; i < segment.result_count(); ++i) {
    if (!segment.results[static_cast<std::size_t>(i)].in_memory) continue;
    words += static_cast<double>(segment.extent(i).positions()) * op.repeat.y * op.repeat.x *
             words_per_position(op.filters, segment.result_bits(i));
  }
  return words;
}

/// Rows of F results, times the turns that each takes.
double drain_cycles(const Segment& segment, const HardwareInfo& hardware) {
  const WindowOp& op = segment.op;
  double turns = 0;
  if (op.group_slots(hardware.filters) > 0) turns = op.output_bits == 32 ? 4 : op.parameter_sets();
  double results = outputs(op) * turns;
  for (std::size_t i = 0; i < segment.stages.size(); ++i) {
    const Extent extent = segment.extent(static_cast<int>(i) + 1);
    results += static_cast<double>(extent.positions()) * op.filters * segment.stages[i].operands();
  }
  return results / hardware.filters;
}

}  // namespace

double Roofline::cycles() const { return std::max({compute, bandwidth, drain}); }

const char* Roofline::bound() const {
  if (compute >= bandwidth && compute >= drain) return "compute";
  return bandwidth >= drain ? "bandwidth" : "drain";
}

Roofline roofline(const Segment& segment, const HardwareInfo& hardware) {
  Roofline result;
  result.compute = compute_cycles(segment.op, hardware);
  if (segment.pool) result.compute += compute_cycles(*segment.pool, hardware);
  const double read = read_words(segment, hardware);
  const double written = written_words(segment);
  result.bandwidth = hardware.duplex ? std::max(read, written) : read + written;
  result.drain = drain_cycles(segment, hardware);
  return result;
}

double macs(const Segment& segment) {
  const WindowOp& op = segment.op;
  const bool weights = op.has_weights();
  return weights ? outputs(op) * products(op) : 0;
}

}  // namespace bitloop::host
