// Instructions as people read them.
#include <fmt/format.h>

#include <string_view>

#include "host/program/instruction.h"

namespace bitloop::host {
namespace {

std::string_view spread(bool is_spread) { return is_spread ? " spread" : ""; }

std::string text(const RowTransfer& i) {
  return fmt::format("@{:#x} +{} rows {} width {} words {} base {} stride {} first {} pitch {} ring {}{}",
                     i.offset, i.row_bytes, i.rows, i.width, i.words, i.chip.base, i.chip.stride,
                     i.chip.first, i.chip.pitch, i.chip.ring, spread(i.chip.spread));
}

std::string text(const WindowWalk& i) {
  return fmt::format(
      "in {}x{} bits {} blocks {}/{} kernel {}x{} stride {},{} dilation {},{} at {},{} ring {}@{}{} base "
      "{}+{} "
      "steps {},{} "
      "out ox {} of {} n {} first {} ring {}{} base {}+{} bits 2^{} zero {}",
      i.input_height, i.input_width, 1 << i.input_bits_log2, i.blocks, i.last_block_channels, i.kernel_height,
      i.kernel_width, i.stride_y, i.stride_x, i.dilation_y, i.dilation_x, i.iy, i.ix, i.ring_position,
      i.input_ring, spread(i.input_spread), i.input_base, i.input_stride, i.step_output_row,
      i.step_kernel_row, i.ox, i.output_width, i.positions, i.output_first, i.output_ring,
      spread(i.output_spread), i.output_base, i.output_stride, i.output_bits_log2, i.zero_code);
}

struct Describe {
  std::string operator()(const LoadAct& i) const { return "LOAD_ACT " + text(i); }
  std::string operator()(const Store& i) const {
    return fmt::format("STORE {} repeat {}", text(i), i.repeat);
  }
  std::string operator()(const LoadWeight& i) const {
    return fmt::format("LOAD_WEIGHT @{:#x} words {} base {}", i.offset, i.words, i.base);
  }
  std::string operator()(const LoadParam& i) const {
    return fmt::format("LOAD_PARAM @{:#x} slots {} first {}", i.offset, i.slots, i.first_slot);
  }
  std::string operator()(const LoadTable& i) const { return fmt::format("LOAD_TABLE @{:#x}", i.offset); }
  std::string operator()(const LoadImage& i) const {
    return fmt::format("LOAD_IMAGE @{:#x} words {} first {}{}", i.offset, i.words, i.first_word,
                       i.beside ? " beside" : "");
  }
  std::string operator()(const Pack& i) const {
    return fmt::format(
        "PACK image {}x{}x{} window {}x{} stride {},{} rows {} width {} at {},{} base {}+{} first {}",
        i.channels, i.image_height, i.image_width, i.rows, i.columns, i.stride_y, i.stride_x, i.packed_rows,
        i.packed_width, i.iy, i.ix, i.chip.base, i.chip.stride, i.chip.first);
  }
  std::string operator()(const Conv& i) const {
    return fmt::format(
        "CONV {} w {} clear {} drain {} extend {} leaky {} table {} filters {} bit {} weights {} slot {}",
        text(i), 1 << i.weight_bits_log2, i.clear, i.drain, i.zero_extend, i.leaky, i.table, i.filters,
        i.bit_offset, i.weight_base, i.parameter_slot);
  }
  std::string operator()(const MaxPool& i) const { return "MAX_POOL " + text(i); }
  std::string operator()(const Depthwise& i) const {
    return fmt::format(
        "DEPTHWISE {} unit {} product {} signed {} upper {} extend {} leaky {} table {} channels "
        "{} bit {} weights {} slot {}",
        text(i), i.unit, i.product, i.signed_input, i.upper_half, i.zero_extend, i.leaky, i.table, i.channels,
        i.bit_offset, i.weight_base, i.parameter_slot);
  }
  std::string operator()(const Add& i) const {
    return fmt::format(
        "ADD {} operands {} extend {} table {} channels {} bit {} slot {} second base {}+{} first {} ring "
        "{}{}",
        text(i), i.operands, i.zero_extend, i.table, i.channels, i.bit_offset, i.parameter_slot,
        i.second_base, i.second_stride, i.second_first, i.second_ring, spread(i.second_spread));
  }
};

}  // namespace

std::string to_string(const Instruction& instruction) {
  return fmt::format("[{},{},{}] {}", instruction.waits[0], instruction.waits[1], instruction.waits[2],
                     std::visit(Describe{}, instruction.operation));
}

}  // namespace bitloop::host
