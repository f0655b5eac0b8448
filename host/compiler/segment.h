#pragma once

#include <optional>
#include <string>
#include <vector>

#include "host/compiler/window_op.h"
#include "host/device/device.h"
#include "host/program/instruction.h"

namespace bitloop::host {

/// Rows of positions in activation SRAM that wrap around.
struct Ring {
  int base = 0;    ///< bank row of word 0
  int stride = 0;  ///< bank rows from word to word
  int pitch = 0;   ///< positions from row to row
  int rows = 0;
  int words = 0;  ///< per position
  /// Its banks are those for windows that are two positions apart, not for such that follow each other.
  bool spread = false;
  [[nodiscard]] int positions() const { return pitch * rows; }
  [[nodiscard]] int bank_rows() const { return stride * words; }
  bool operator==(const Ring&) const = default;
};

/// Rows that whole turns of a ring must be a multiple of, so that its size is a multiple of P.
int row_granule(int pitch, int pixels);
/// A ring for `rows` rows of `width` positions, at bank row 0.
Ring make_ring(int width, int rows, int words, int pixels);
inline constexpr int kLargestRing = 65535;  ///< positions, 16-bit fields

/// Rows and columns of a tensor in memory that an operand or a result is.
struct Grid {
  int width = 1;  ///< columns of the tensor
  int first_row = 0;
  int first_column = 0;
  Steps step = 1;
  bool operator==(const Grid&) const = default;
};
/// Part `inner` of the part `outer`.
Grid within(const Grid& outer, const Grid& inner);

/// Where a segment finds an operand, or leaves a result, in one width.
struct Place {
  bool on_chip = false;      ///< the whole tensor lies in activation SRAM, in `ring`
  bool in_memory = false;    ///< of a result: it is stored; of an operand that is not on chip: it is loaded
  Ring ring;                 ///< its first word is the operand's
  Address offset = 0;        ///< in memory: of the tensor's first word, or of the image's bytes
  int words = 0;             ///< in memory: per position, of the tensor that this is a part of
  int first_word = 0;        ///< in memory: of this part
  std::optional<Grid> grid;  ///< in memory: this part's rows and columns; none: all
};

/// Rows, columns and words of an operand.
struct Area {
  int first_row = 0;
  int rows = 1;
  int first_column = 0;
  int columns = 1;
  int first_word = 0;
  int words = 1;  ///< per position
};
/// The transfers between memory and chip for whole rows of an operand of `width` columns, the first to
/// `chip.first`: one, or, where the rows do not follow each other in memory, one for each row and word.
std::vector<RowTransfer> row_transfers(const Place& place, int width, const Area& area, const ChipRows& chip);

enum class StageKind { max_pool, add, requantize };

/// What follows a segment's operation on chip. A max pool can only be the first.
struct Stage {
  StageKind kind = StageKind::requantize;
  int output_bits = 8;
  int layer = -1;             ///< of a pool or an add
  int tensor = 0;             ///< that it writes
  bool second_first = false;  ///< the add's first input is the segment's second operand
  bool table = false;         ///< its codes go through the segment's table
  /// Of an ADD instruction; 0 of a pool, which has no parameters either.
  [[nodiscard]] int operands() const {
    return kind == StageKind::max_pool ? 0 : kind == StageKind::add ? 2 : 1;
  }
};

/// Height and width of a result.
struct Extent {
  int height = 1;
  int width = 1;
  [[nodiscard]] long positions() const { return static_cast<long>(height) * width; }
};

/// Rows of activation SRAM, from first (inclusive) to end (exclusive).
struct BankRows {
  int first = 0;
  int end = 0;
  [[nodiscard]] int count() const { return end - first; }
};

/// What runs between two counter records: one operation over a whole tensor, and the stages that are fused
/// behind it.
struct Segment {
  std::string name;         ///< of the layer that leads, or of what is done for it
  std::vector<int> layers;  ///< that it computes, by index; the first is the operation's
  WindowOp op;
  ChannelChoice channels;  ///< of the operation's layer
  Place input;
  std::optional<Place> second;  ///< operand 2 of an add, here or in a stage; 8 bits
  std::optional<Place> vector;  ///< of a product: one 8-bit code per channel, in memory
  std::vector<Stage> stages;
  std::optional<WindowOp> pool;  ///< of the first stage, where that is a max pool
  std::vector<Place> results;    ///< of the operation, then of each stage
  BankRows free;                 ///< where its rings may lie
  int set = 0;                   ///< of an average pool's sets of parameters, the one that it uses
  int function = -1;             ///< the layer whose table one result's codes go through; -1: none
  int narrowed = -1;             ///< the tensor, where the operation only makes its narrow form
  int original = -1;             ///< of a job of several images: the first image's segment that this repeats
  Address weights = 0;           ///< in memory
  Address parameters = 0;        ///< in memory: those of the stages, then the operation's
  Address table = 0;             ///< in memory, of `function`

  /// Code width of result 0 (the operation's), 1, ...
  [[nodiscard]] int result_bits(int result) const {
    return result == 0 ? op.output_bits : stages[static_cast<std::size_t>(result) - 1].output_bits;
  }
  [[nodiscard]] Extent extent(int result) const {
    const WindowOp& last = result > 0 && pool ? *pool : op;
    return {last.output_height, last.output_width};
  }
  [[nodiscard]] int result_count() const { return static_cast<int>(results.size()); }
  /// Parameter slots of the stages, F channels each: every group of a channel block has its own.
  [[nodiscard]] int stage_slots(int lanes) const;
  /// First of the slots of stage `index`, counted from the first stage's.
  [[nodiscard]] int stage_slot(int index, int lanes) const;
};

}  // namespace bitloop::host
