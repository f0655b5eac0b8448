#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <variant>

namespace bitloop::host {

// The instructions of docs/accelerator.md as types. Offsets are bytes from the job's base; positions, strides
// and bases count 64-bit words of one bank or positions of a ring, as the document says.

/// Where rows of positions lie in activation SRAM.
struct ChipRows {
  int base = 0;    ///< bank row of word 0
  int stride = 0;  ///< bank rows from word to word
  int first = 0;   ///< first position in the ring
  int pitch = 0;   ///< positions from row to row
  int ring = 0;    ///< positions
  bool operator==(const ChipRows&) const = default;
};

/// Rows of a tensor between memory and activation SRAM.
struct RowTransfer {
  std::uint32_t offset = 0;     ///< of the first word moved
  std::uint32_t row_bytes = 0;  ///< from row to row in memory
  int rows = 0;
  int width = 0;  ///< positions
  int words = 0;  ///< per position
  ChipRows chip;
  bool operator==(const RowTransfer&) const = default;
};

struct LoadAct : RowTransfer {
  bool operator==(const LoadAct&) const = default;
};
struct Store : RowTransfer {
  int repeat = 1;  ///< times that each position is written, 1..15
  bool operator==(const Store&) const = default;
};

struct LoadWeight {
  std::uint32_t offset = 0;
  std::uint32_t words = 0;  ///< per filter
  int base = 0;
  bool operator==(const LoadWeight&) const = default;
};

struct LoadParam {
  std::uint32_t offset = 0;
  int slots = 1;
  int first_slot = 0;
  bool operator==(const LoadParam&) const = default;
};

/// A function of codes: 256 of them, eight to a word.
struct LoadTable {
  std::uint32_t offset = 0;
  bool operator==(const LoadTable&) const = default;
};
inline constexpr int kTableWords = 32;

struct LoadImage {
  std::uint32_t offset = 0;
  std::uint32_t words = 0;
  int first_word = 0;  ///< in the staging ring
  bool operator==(const LoadImage&) const = default;
};

struct Pack {
  int image_height = 0;
  int image_width = 0;
  int channels = 0;
  int columns = 0;
  int rows = 0;
  int stride_x = 1;
  int stride_y = 1;
  int packed_rows = 0;
  int packed_width = 0;
  ChipRows chip;
  int iy = 0;  ///< image row of the first packed row, may be negative
  int ix = 0;
  std::array<std::uint8_t, 4> pad_codes{};
  std::uint32_t staging_byte = 0;  ///< of image row iy, column 0
  std::uint32_t image_row_bytes = 0;
  bool operator==(const Pack&) const = default;
};

/// What the compute engine's instructions share: walking windows over a ring of input rows and writing output
/// positions.
struct WindowWalk {
  int input_height = 0;
  int input_width = 0;
  int kernel_height = 1;
  int kernel_width = 1;
  int stride_y = 1;
  int stride_x = 1;
  int dilation_y = 1;
  int dilation_x = 1;
  int iy = 0;  ///< of the first window, may be negative
  int ix = 0;
  int ox = 0;  ///< of the first output position
  int output_width = 0;
  int positions = 0;
  int ix_start = 0;  ///< ix of the window at ox = 0
  int input_base = 0;
  int input_stride = 0;
  int ring_position = 0;  ///< of row iy, column 0
  int input_ring = 0;
  int step_output_row = 0;
  int step_kernel_row = 0;
  int output_first = 0;
  int output_ring = 0;
  int output_base = 0;
  int output_stride = 0;
  int input_bits_log2 = 0;
  int output_bits_log2 = 0;  ///< 0..3, or 5
  int zero_code = 0;
  int last_block_channels = 0;
  int blocks = 0;
  bool operator==(const WindowWalk&) const = default;
};

struct Conv : WindowWalk {
  int weight_bits_log2 = 0;
  bool clear = true;
  bool drain = true;
  bool zero_extend = false;
  bool leaky = false;  ///< a second set of parameters, in the next slot
  bool table = false;  ///< the codes go through the table
  int filters = 1;
  int bit_offset = 0;
  int weight_base = 0;
  int parameter_slot = 0;
  bool operator==(const Conv&) const = default;
};

/// One channel block (`blocks` is 1).
struct Depthwise : WindowWalk {
  bool unit = false;          ///< all weights are one
  bool product = false;       ///< they are the codes of a tensor, less 128; those of further taps 64
  bool signed_input = false;  ///< of a product: the input's codes count less 128, and so does the sum
  bool upper_half = false;    ///< 1-bit input: the block is the upper half of its words
  bool zero_extend = false;
  bool leaky = false;
  bool table = false;
  int channels = 1;
  int bit_offset = 0;
  int weight_base = 0;
  int parameter_slot = 0;  ///< of the first F channels; the others' follow
  bool operator==(const Depthwise&) const = default;
};

/// One channel block of one or two 8-bit operands (`blocks` is 1), the first walked by 1x1 windows.
struct Add : WindowWalk {
  int operands = 1;
  bool zero_extend = false;
  bool table = false;
  int channels = 1;
  int bit_offset = 0;
  int parameter_slot = 0;  ///< of the first F channels, one per operand; the others' follow
  int second_base = 0;     ///< operand 2: its positions follow each other in a ring
  int second_stride = 0;
  int second_first = 0;
  int second_ring = 0;
  bool operator==(const Add&) const = default;
};

struct MaxPool : WindowWalk {
  bool operator==(const MaxPool&) const = default;
};

struct SegmentHeader {
  bool last = false;
  std::uint32_t instructions = 0;
  std::uint32_t next = 0;    ///< offset of the next header, unless last
  std::uint32_t record = 0;  ///< offset of the counter record
  bool operator==(const SegmentHeader&) const = default;
};

enum class Engine { load, compute, store };
inline constexpr int kEngines = 3;

using Operation = std::variant<LoadAct, LoadWeight, LoadParam, LoadTable, LoadImage, Pack, Conv, MaxPool,
                               Depthwise, Add, Store>;

/// An instruction of one engine and, per engine, how many instructions of this segment it waits for.
struct Instruction {
  Operation operation;
  std::array<std::uint16_t, kEngines> waits{};
  bool operator==(const Instruction&) const = default;
};

using Descriptor = std::array<std::uint32_t, 16>;
inline constexpr std::uint32_t kDescriptorBytes = 64;  ///< descriptors lie at multiples of this
using DescriptorBytes = std::array<std::byte, kDescriptorBytes>;

Engine engine_of(const Operation& operation);

/// Throws InputError naming the field where a value does not fit its bits.
Descriptor encode(const Instruction& instruction);
Descriptor encode(const SegmentHeader& header);

/// A descriptor as it lies in memory.
DescriptorBytes to_bytes(const Descriptor& descriptor);
Descriptor descriptor_from(std::span<const std::byte, kDescriptorBytes> bytes);

/// Throws InputError for an unknown opcode.
Instruction decode_instruction(const Descriptor& descriptor);
SegmentHeader decode_segment(const Descriptor& descriptor);

inline constexpr std::uint32_t kPageBytes = 4096;  ///< no burst crosses a multiple of this

/// One line for people.
std::string to_string(const Instruction& instruction);

}  // namespace bitloop::host
