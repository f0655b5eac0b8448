#include "host/program/instruction.h"

#include <fmt/format.h>

#include <algorithm>
#include <type_traits>

#include "host/base/error.h"

namespace bitloop::host {
namespace {

enum Opcode : std::uint32_t {
  kLoadAct = 0x01,
  kLoadWeight = 0x02,
  kLoadParam = 0x03,
  kLoadImage = 0x04,
  kPack = 0x05,
  kLoadTable = 0x06,
  kConv = 0x10,
  kMaxPool = 0x11,
  kDepthwise = 0x12,
  kAdd = 0x13,
  kStore = 0x20,
  kSegment = 0x30,
};

/// Puts values into bit fields of a descriptor and refuses those that do not fit.
class Writer {
 public:
  Descriptor words{};

  void put(int word, int low, int bits, std::int64_t value, const char* field) {
    if (value < 0 || value >= std::int64_t{1} << bits) refuse(value, 0, (std::int64_t{1} << bits) - 1, field);
    words[word] |= static_cast<std::uint32_t>(value) << low;
  }

  void put_signed(int word, int low, int bits, std::int64_t value, const char* field) {
    const std::int64_t half = std::int64_t{1} << (bits - 1);
    if (value < -half || value >= half) refuse(value, -half, half - 1, field);
    words[word] |= (static_cast<std::uint32_t>(value) & static_cast<std::uint32_t>(2 * half - 1)) << low;
  }

 private:
  [[noreturn]] static void refuse(std::int64_t value, std::int64_t low, std::int64_t high,
                                  const char* field) {
    throw InputError(fmt::format("{} {} does not fit the hardware: {}..{}", field, value, low, high));
  }
};

int field(const Descriptor& d, int word, int low, int bits) {
  return static_cast<int>(d[word] >> low & ((1u << bits) - 1));
}

int signed_field(const Descriptor& d, int word, int low, int bits) {
  const int value = field(d, word, low, bits);
  return value >> (bits - 1) != 0 ? value - (1 << bits) : value;
}

void put_chip(Writer& w, const ChipRows& chip) {
  w.put(5, 16, 16, chip.pitch, "pitch");
  w.put(6, 0, 16, chip.base, "activation base");
  w.put(6, 16, 16, chip.stride, "word stride");
  w.put(7, 0, 16, chip.first, "first position");
  w.put(7, 16, 16, chip.ring, "ring size");
}

ChipRows get_chip(const Descriptor& d) {
  return {field(d, 6, 0, 16), field(d, 6, 16, 16), field(d, 7, 0, 16), field(d, 5, 16, 16),
          field(d, 7, 16, 16)};
}

void put(Writer& w, const RowTransfer& t, std::uint32_t opcode) {
  w.words[0] = opcode;
  w.words[2] = t.offset;
  w.words[3] = t.row_bytes;
  w.put(4, 0, 16, t.rows, "rows");
  w.put(4, 16, 16, t.width, "width");
  w.put(5, 0, 16, t.words, "words per position");
  put_chip(w, t.chip);
}

RowTransfer get_transfer(const Descriptor& d) {
  return {d[2], d[3], field(d, 4, 0, 16), field(d, 4, 16, 16), field(d, 5, 0, 16), get_chip(d)};
}

void put(Writer& w, const LoadAct& i) { put(w, i, kLoadAct); }
void put(Writer& w, const Store& i) {
  put(w, i, kStore);
  w.put(8, 0, 4, i.repeat, "repeat");
}

void put(Writer& w, const LoadWeight& i) {
  w.words[0] = kLoadWeight;
  w.words[2] = i.offset;
  w.words[4] = i.words;
  w.put(6, 0, 16, i.base, "weight base");
}

void put(Writer& w, const LoadParam& i) {
  w.words[0] = kLoadParam;
  w.words[2] = i.offset;
  w.put(4, 0, 16, i.slots, "parameter slots");
  w.put(6, 0, 16, i.first_slot, "parameter slot");
}

void put(Writer& w, const LoadTable& i) {
  w.words[0] = kLoadTable;
  w.words[2] = i.offset;
  w.words[4] = kTableWords;
}

void put(Writer& w, const LoadImage& i) {
  w.words[0] = kLoadImage;
  w.words[2] = i.offset;
  w.words[4] = i.words;
  w.put(6, 0, 16, i.first_word, "staging word");
}

void put(Writer& w, const Pack& i) {
  w.words[0] = kPack;
  w.put(2, 0, 16, i.image_height, "image height");
  w.put(2, 16, 16, i.image_width, "image width");
  w.put(3, 0, 8, i.channels, "image channels");
  w.put(3, 8, 8, i.columns, "packed columns");
  w.put(3, 16, 8, i.rows, "packed rows");
  w.put(3, 24, 8, i.stride_x, "stride");
  w.put(4, 0, 16, i.packed_rows, "rows");
  w.put(4, 16, 16, i.packed_width, "width");
  w.put(5, 0, 8, i.stride_y, "stride");
  put_chip(w, i.chip);
  w.put_signed(8, 0, 16, i.iy, "image row");
  w.put_signed(8, 16, 16, i.ix, "image column");
  for (int c = 0; c < 4; ++c) w.words[9] |= static_cast<std::uint32_t>(i.pad_codes[c]) << (8 * c);
  w.words[10] = i.staging_byte;
  w.words[11] = i.image_row_bytes;
}

void put_input(Writer& w, const WindowWalk& i) {
  w.put(2, 0, 16, i.input_height, "input height");
  w.put(2, 16, 16, i.input_width, "input width");
  w.put(3, 0, 8, i.kernel_height, "kernel height");
  w.put(3, 8, 8, i.kernel_width, "kernel width");
  w.put(3, 16, 4, i.stride_y, "stride");
  w.put(3, 20, 4, i.stride_x, "stride");
  w.put(3, 24, 4, i.dilation_y, "dilation");
  w.put(3, 28, 4, i.dilation_x, "dilation");
  w.put_signed(4, 0, 16, i.iy, "input row");
  w.put_signed(4, 16, 16, i.ix, "input column");
  w.put(7, 0, 16, i.input_base, "input base");
  w.put(7, 16, 16, i.input_stride, "input word stride");
  w.put(8, 0, 16, i.ring_position, "ring position");
  w.put(8, 16, 16, i.input_ring, "input ring size");
  w.put(9, 0, 16, i.step_output_row, "ring step");
  w.put(9, 16, 16, i.step_kernel_row, "ring step");
}

void put_output(Writer& w, const WindowWalk& i) {
  w.put(5, 0, 16, i.ox, "output column");
  w.put(5, 16, 16, i.output_width, "output width");
  w.put(6, 0, 24, i.positions, "output positions");
  w.put_signed(6, 24, 8, i.ix_start, "first window column");
  w.put(10, 0, 16, i.output_first, "first output position");
  w.put(10, 16, 16, i.output_ring, "output ring size");
  w.put(11, 0, 16, i.output_base, "output base");
  w.put(11, 16, 16, i.output_stride, "output word stride");
}

void put_walk(Writer& w, const WindowWalk& i) {
  put_input(w, i);
  put_output(w, i);
  w.put(12, 0, 2, i.input_bits_log2, "input width");
  w.put(12, 4, 3, i.output_bits_log2, "output width");
  w.put(12, 16, 8, i.zero_code, "zero code");
  w.put(12, 24, 8, i.last_block_channels, "channels of the last block");
  w.put(13, 0, 16, i.blocks, "channel blocks");
}

WindowWalk get_walk(const Descriptor& d) {
  WindowWalk i;
  i.input_height = field(d, 2, 0, 16);
  i.input_width = field(d, 2, 16, 16);
  i.kernel_height = field(d, 3, 0, 8);
  i.kernel_width = field(d, 3, 8, 8);
  i.stride_y = field(d, 3, 16, 4);
  i.stride_x = field(d, 3, 20, 4);
  i.dilation_y = field(d, 3, 24, 4);
  i.dilation_x = field(d, 3, 28, 4);
  i.iy = signed_field(d, 4, 0, 16);
  i.ix = signed_field(d, 4, 16, 16);
  i.ox = field(d, 5, 0, 16);
  i.output_width = field(d, 5, 16, 16);
  i.positions = field(d, 6, 0, 24);
  i.ix_start = signed_field(d, 6, 24, 8);
  i.input_base = field(d, 7, 0, 16);
  i.input_stride = field(d, 7, 16, 16);
  i.ring_position = field(d, 8, 0, 16);
  i.input_ring = field(d, 8, 16, 16);
  i.step_output_row = field(d, 9, 0, 16);
  i.step_kernel_row = field(d, 9, 16, 16);
  i.output_first = field(d, 10, 0, 16);
  i.output_ring = field(d, 10, 16, 16);
  i.output_base = field(d, 11, 0, 16);
  i.output_stride = field(d, 11, 16, 16);
  i.input_bits_log2 = field(d, 12, 0, 2);
  i.output_bits_log2 = field(d, 12, 4, 3);
  i.zero_code = field(d, 12, 16, 8);
  i.last_block_channels = field(d, 12, 24, 8);
  i.blocks = field(d, 13, 0, 16);
  return i;
}

void put(Writer& w, const Conv& i) {
  w.words[0] = kConv;
  put_walk(w, i);
  w.put(12, 2, 2, i.weight_bits_log2, "weight width");
  w.put(12, 7, 1, i.leaky, "leaky");
  w.put(12, 8, 1, i.clear, "clear");
  w.put(12, 9, 1, i.drain, "drain");
  w.put(12, 10, 1, i.zero_extend, "zero extend");
  w.put(12, 11, 1, i.table, "table");
  w.put(13, 16, 6, i.filters - 1, "filters of a group - 1");
  w.put(13, 24, 6, i.bit_offset, "bit offset");
  w.put(14, 0, 16, i.weight_base, "weight base");
  w.put(14, 16, 6, i.parameter_slot, "parameter slot");
}

void put(Writer& w, const MaxPool& i) {
  w.words[0] = kMaxPool;
  put_walk(w, i);
}

void put(Writer& w, const Depthwise& i) {
  w.words[0] = kDepthwise;
  put_walk(w, i);
  w.put(12, 7, 1, i.leaky, "leaky");
  w.put(12, 8, 1, i.unit, "unit weights");
  w.put(12, 12, 1, i.product, "product");
  w.put(12, 13, 1, i.signed_input, "signed input");
  w.put(12, 9, 1, i.upper_half, "upper half");
  w.put(12, 10, 1, i.zero_extend, "zero extend");
  w.put(12, 11, 1, i.table, "table");
  w.put(13, 16, 6, i.channels - 1, "channels of a block - 1");
  w.put(13, 24, 6, i.bit_offset, "bit offset");
  w.put(14, 0, 16, i.weight_base, "weight base");
  w.put(14, 16, 6, i.parameter_slot, "parameter slot");
}

/// Operand 2's word stride takes the place of the step from kernel row to kernel row: there is one row.
void put(Writer& w, const Add& i) {
  w.words[0] = kAdd;
  WindowWalk walk = i;
  walk.step_kernel_row = 0;
  walk.blocks = i.operands;
  put_walk(w, walk);
  w.put(9, 16, 16, i.second_stride, "word stride of operand 2");
  w.put(12, 10, 1, i.zero_extend, "zero extend");
  w.put(12, 11, 1, i.table, "table");
  w.put(13, 16, 6, i.channels - 1, "channels of a block - 1");
  w.put(13, 24, 6, i.bit_offset, "bit offset");
  w.put(14, 0, 16, i.second_base, "base of operand 2");
  w.put(14, 16, 6, i.parameter_slot, "parameter slot");
  w.put(15, 0, 16, i.second_first, "first position of operand 2");
  w.put(15, 16, 16, i.second_ring, "ring size of operand 2");
}

Conv get_conv(const Descriptor& d) {
  Conv i{get_walk(d)};
  i.weight_bits_log2 = field(d, 12, 2, 2);
  i.leaky = field(d, 12, 7, 1) != 0;
  i.clear = field(d, 12, 8, 1) != 0;
  i.drain = field(d, 12, 9, 1) != 0;
  i.zero_extend = field(d, 12, 10, 1) != 0;
  i.table = field(d, 12, 11, 1) != 0;
  i.filters = field(d, 13, 16, 6) + 1;
  i.bit_offset = field(d, 13, 24, 6);
  i.weight_base = field(d, 14, 0, 16);
  i.parameter_slot = field(d, 14, 16, 6);
  return i;
}

Depthwise get_depthwise(const Descriptor& d) {
  Depthwise i{get_walk(d)};
  i.leaky = field(d, 12, 7, 1) != 0;
  i.unit = field(d, 12, 8, 1) != 0;
  i.product = field(d, 12, 12, 1) != 0;
  i.signed_input = field(d, 12, 13, 1) != 0;
  i.upper_half = field(d, 12, 9, 1) != 0;
  i.zero_extend = field(d, 12, 10, 1) != 0;
  i.table = field(d, 12, 11, 1) != 0;
  i.channels = field(d, 13, 16, 6) + 1;
  i.bit_offset = field(d, 13, 24, 6);
  i.weight_base = field(d, 14, 0, 16);
  i.parameter_slot = field(d, 14, 16, 6);
  return i;
}

Add get_add(const Descriptor& d) {
  Add i{get_walk(d)};
  i.operands = i.blocks;
  i.blocks = 1;
  i.second_stride = i.step_kernel_row;
  i.step_kernel_row = 0;
  i.zero_extend = field(d, 12, 10, 1) != 0;
  i.table = field(d, 12, 11, 1) != 0;
  i.channels = field(d, 13, 16, 6) + 1;
  i.bit_offset = field(d, 13, 24, 6);
  i.second_base = field(d, 14, 0, 16);
  i.parameter_slot = field(d, 14, 16, 6);
  i.second_first = field(d, 15, 0, 16);
  i.second_ring = field(d, 15, 16, 16);
  return i;
}

/// 0 repeats stand for 1.
Store get_store(const Descriptor& d) { return {get_transfer(d), std::max(1, field(d, 8, 0, 4))}; }

Pack get_pack(const Descriptor& d) {
  Pack i;
  i.image_height = field(d, 2, 0, 16);
  i.image_width = field(d, 2, 16, 16);
  i.channels = field(d, 3, 0, 8);
  i.columns = field(d, 3, 8, 8);
  i.rows = field(d, 3, 16, 8);
  i.stride_x = field(d, 3, 24, 8);
  i.stride_y = field(d, 5, 0, 8);
  i.packed_rows = field(d, 4, 0, 16);
  i.packed_width = field(d, 4, 16, 16);
  i.chip = get_chip(d);
  i.iy = signed_field(d, 8, 0, 16);
  i.ix = signed_field(d, 8, 16, 16);
  for (int c = 0; c < 4; ++c) i.pad_codes[c] = static_cast<std::uint8_t>(d[9] >> (8 * c));
  i.staging_byte = d[10];
  i.image_row_bytes = d[11];
  return i;
}

Operation decode_operation(const Descriptor& d) {
  switch (d[0] & 0xff) {
    case kLoadAct:
      return LoadAct{get_transfer(d)};
    case kStore:
      return get_store(d);
    case kLoadWeight:
      return LoadWeight{d[2], d[4], field(d, 6, 0, 16)};
    case kLoadParam:
      return LoadParam{d[2], field(d, 4, 0, 16), field(d, 6, 0, 16)};
    case kLoadTable:
      return LoadTable{d[2]};
    case kLoadImage:
      return LoadImage{d[2], d[4], field(d, 6, 0, 16)};
    case kPack:
      return get_pack(d);
    case kConv:
      return get_conv(d);
    case kMaxPool:
      return MaxPool{get_walk(d)};
    case kDepthwise:
      return get_depthwise(d);
    case kAdd:
      return get_add(d);
    default:
      throw InputError(fmt::format("opcode {:#04x} is unknown", d[0] & 0xff));
  }
}

}  // namespace

Engine engine_of(const Operation& operation) {
  return std::visit(
      [](const auto& i) {
        using Kind = std::decay_t<decltype(i)>;
        if (std::is_same_v<Kind, Store>) return Engine::store;
        return std::is_base_of_v<WindowWalk, Kind> ? Engine::compute : Engine::load;
      },
      operation);
}

Descriptor encode(const Instruction& instruction) {
  Writer writer;
  std::visit([&](const auto& operation) { put(writer, operation); }, instruction.operation);
  writer.words[0] |= static_cast<std::uint32_t>(instruction.waits[0]) << 16;
  writer.words[1] = instruction.waits[1] | static_cast<std::uint32_t>(instruction.waits[2]) << 16;
  return writer.words;
}

Descriptor encode(const SegmentHeader& header) {
  Descriptor words{};
  words[0] = kSegment | (header.last ? 1u << 8 : 0);
  words[2] = header.instructions;
  words[3] = header.next;
  words[4] = header.record;
  return words;
}

DescriptorBytes to_bytes(const Descriptor& descriptor) {
  DescriptorBytes bytes{};
  for (std::size_t i = 0; i < kDescriptorBytes; ++i) {
    bytes[i] = static_cast<std::byte>(descriptor[i / 4] >> (8 * (i % 4)));
  }
  return bytes;
}

Descriptor descriptor_from(std::span<const std::byte, kDescriptorBytes> bytes) {
  Descriptor words{};
  for (std::size_t i = 0; i < kDescriptorBytes; ++i) {
    words[i / 4] |= std::to_integer<std::uint32_t>(bytes[i]) << (8 * (i % 4));
  }
  return words;
}

Instruction decode_instruction(const Descriptor& d) {
  return {decode_operation(d),
          {static_cast<std::uint16_t>(d[0] >> 16), static_cast<std::uint16_t>(d[1]),
           static_cast<std::uint16_t>(d[1] >> 16)}};
}

SegmentHeader decode_segment(const Descriptor& d) {
  if ((d[0] & 0xff) != kSegment) throw InputError(fmt::format("opcode {:#04x} is no SEGMENT", d[0] & 0xff));
  return {(d[0] >> 8 & 1) != 0, d[2], d[3], d[4]};
}

}  // namespace bitloop::host
