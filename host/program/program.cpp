#include "host/program/program.h"

#include <fmt/format.h>

#include <algorithm>

#include "host/base/error.h"
#include "host/base/integers.h"
#include "host/program/plane_words.h"

namespace bitloop::host {
namespace {

/// Waits compare 16-bit counts as signed: never name an instruction that may lie further back than this.
constexpr std::uint32_t kFarthestWait = 30000;

int input_words(const WindowWalk& walk, bool wide) {
  if (wide) return walk.blocks;
  const int bits = 1 << walk.input_bits_log2;
  return bits == 1 ? divide_up(walk.blocks, 2) : walk.blocks * bits / 2;
}

/// Virtual input row of the last output position's window.
int last_window_row(const WindowWalk& walk) {
  const int rows = (walk.ox + walk.positions - 1) / walk.output_width;
  return walk.iy + rows * walk.stride_y;
}

}  // namespace

int weight_rows(const Conv& conv) {
  const int taps = conv.blocks * conv.kernel_height * conv.kernel_width;
  const int bits = 1 << conv.weight_bits_log2;
  if (conv.input_bits_log2 == 0 && conv.weight_bits_log2 == 0) return taps;
  return divide_up(taps * bits, 2);
}

int parameter_slots(const Conv& conv) { return conv.leaky ? 2 : 1; }

int parameter_slots(const Depthwise& depthwise, int lanes) {
  return divide_up(depthwise.channels, lanes) * (depthwise.leaky ? 2 : 1);
}

int parameter_slots(const Add& add, int lanes) { return divide_up(add.channels, lanes) * add.operands; }

Program::Program(const HardwareInfo& hardware)
    : pixels_(hardware.pixels),
      filters_(hardware.filters),
      activations_(static_cast<std::size_t>(hardware.activation_rows) * hardware.pixels),
      weights_(hardware.weight_rows),
      parameters_(hardware.parameter_slots),
      table_(1) {}

void Program::append(const Operation& operation) {
  engine_ = static_cast<int>(engine_of(operation));
  needs_ = {};
  ++issued_[engine_];
  std::visit([this](const auto& i) { visit(i); }, operation);
  settle_waits();
  Instruction instruction{operation, {}};
  for (int e = 0; e < kEngines; ++e) instruction.waits[e] = static_cast<std::uint16_t>(waited_[engine_][e]);
  instructions_.push_back(instruction);
}

/// An engine runs in order: what an earlier instruction waited for needs no new wait, and counts only grow.
void Program::settle_waits() {
  constexpr int kCompute = static_cast<int>(Engine::compute);
  for (int e = 0; e < kEngines; ++e) {
    if (e == engine_ && e != kCompute) continue;
    const std::uint32_t oldest = issued_[e] > kFarthestWait ? issued_[e] - kFarthestWait : 0;
    waited_[engine_][e] = std::max({waited_[engine_][e], needs_[e], oldest});
  }
}

void Program::touch(Memory& memory, std::int64_t first, std::int64_t count, bool write) {
  if (first < 0 || first + count > static_cast<std::int64_t>(memory.size())) {
    throw Error(fmt::format("the compiler placed words {}..{} in an SRAM of {}; report this", first,
                            first + count, memory.size()));
  }
  Numbers needs = needs_;
  const int engine = engine_;
  const std::uint32_t issued = issued_[engine];
  for (std::int64_t i = first; i < first + count; ++i) {
    Touch& word = memory[static_cast<std::size_t>(i)];
    const Numbers& before = write ? word.access : word.write;
    for (int e = 0; e < kEngines; ++e) needs[e] = std::max(needs[e], before[e]);
    word.access[engine] = issued;
    if (write) word.write[engine] = issued;
  }
  // What the engine itself does before in order needs no wait, but for results that are still drained.
  if (write) needs[engine] = needs_[engine];
  needs_ = needs;
}

void Program::touch_rows(const RowTransfer& rows, bool write) {
  int first = rows.chip.first;
  for (int row = 0; row < rows.rows; ++row) {
    for (int word = 0; word < rows.words; ++word) {
      const std::int64_t base = rows.chip.base + static_cast<std::int64_t>(word) * rows.chip.stride;
      touch(activations_, base * pixels_ + first, rows.width, write);
    }
    first += rows.chip.pitch;
    if (first >= rows.chip.ring) first -= rows.chip.ring;
  }
}

void Program::touch_packed(const Pack& pack) {
  const RowTransfer rows{0, 0, pack.packed_rows, pack.packed_width, words_per_block(8), pack.chip};
  touch_rows(rows, true);
}

/// All input rows from the first window's to the last one's, as far as they lie in the input: of windows of
/// one row the columns from the first to the last, of higher ones, which overlap, whole rows.
void Program::touch_windows(const WindowWalk& walk, int words) {
  const int last_row = last_window_row(walk);
  const int end = last_row + (walk.kernel_height - 1) * walk.dilation_y;
  const int touched_end = std::min(end, walk.input_height - 1);
  int next = std::max(walk.iy, 0);  // rows before it are done
  for (int row = walk.iy, output = 0; row <= last_row; row += walk.stride_y, ++output) {
    const Columns columns = read_columns(walk, row == walk.iy, row == last_row);
    std::int64_t position = walk.ring_position + static_cast<std::int64_t>(output) * walk.step_output_row;
    for (int k = 0; k < walk.kernel_height; ++k, position += walk.step_kernel_row) {
      const int y = row + k * walk.dilation_y;
      if (y > touched_end || y < 0 || (y < next && walk.dilation_y == 1)) continue;
      touch_row(walk, position % walk.input_ring, columns, words);
      next = y + 1;
    }
  }
}

void Program::touch_row(const WindowWalk& walk, std::int64_t position, const Columns& columns, int words) {
  for (int word = 0; word < words; ++word) {
    const std::int64_t base = walk.input_base + static_cast<std::int64_t>(word) * walk.input_stride;
    touch(activations_, base * pixels_ + position + columns.first, columns.end - columns.first, false);
  }
}

/// `first`, `last`: whether the instruction's first output row, or its last, reads the input row.
Program::Columns Program::read_columns(const WindowWalk& walk, bool first, bool last) {
  Columns columns{0, walk.input_width};
  if (walk.kernel_height > 1) return columns;
  const int last_ox = (walk.ox + walk.positions - 1) % walk.output_width;
  if (first) columns.first = std::clamp(walk.ix, 0, walk.input_width);
  if (last) {
    const int end = walk.ix_start + last_ox * walk.stride_x + (walk.kernel_width - 1) * walk.dilation_x + 1;
    columns.end = std::clamp(end, columns.first, walk.input_width);
  }
  return columns;
}

void Program::touch_output(const WindowWalk& walk, int words) {
  const int head = std::min(walk.positions, walk.output_ring - walk.output_first);
  for (int word = 0; word < words; ++word) {
    const std::int64_t base = walk.output_base + static_cast<std::int64_t>(word) * walk.output_stride;
    touch(activations_, base * pixels_ + walk.output_first, head, true);
    touch(activations_, base * pixels_, walk.positions - head, true);
  }
}

void Program::touch_table(bool used) {
  if (used) touch(table_, 0, 1, false);
}

void Program::visit(const LoadAct& i) { touch_rows(i, true); }
void Program::visit(const Store& i) { touch_rows(i, false); }
void Program::visit(const LoadWeight& i) { touch(weights_, i.base, i.words, true); }
void Program::visit(const LoadParam& i) { touch(parameters_, i.first_slot, i.slots, true); }
void Program::visit(const LoadTable&) { touch(table_, 0, 1, true); }
void Program::visit(const LoadImage&) {}  // the staging ring belongs to the load engine alone
void Program::visit(const Pack& i) { touch_packed(i); }

void Program::visit(const Conv& i) {
  const bool wide = i.input_bits_log2 == 0 && i.weight_bits_log2 == 0;
  touch_windows(i, input_words(i, wide));
  touch(weights_, i.weight_base, weight_rows(i), false);
  if (!i.drain) return;
  touch(parameters_, i.parameter_slot, parameter_slots(i), false);
  touch_table(i.table);
  touch_output(i, words_per_block(1 << i.output_bits_log2));
}

void Program::visit(const Depthwise& i) {
  touch_windows(i, words_per_block(1 << i.input_bits_log2));
  if (!i.unit)
    touch(weights_, i.weight_base, depthwise_rows(i.kernel_height * i.kernel_width, filters_), false);
  touch(parameters_, i.parameter_slot, parameter_slots(i, filters_), false);
  touch_table(i.table);
  touch_output(i, words_per_block(1 << i.output_bits_log2));
}

void Program::visit(const Add& i) {
  touch_windows(i, words_per_block(8));
  if (i.operands == 2) {
    const int head = std::min(i.positions, i.second_ring - i.second_first);
    for (int word = 0; word < words_per_block(8); ++word) {
      const std::int64_t base = i.second_base + static_cast<std::int64_t>(word) * i.second_stride;
      touch(activations_, base * pixels_ + i.second_first, head, false);
      touch(activations_, base * pixels_, i.positions - head, false);
    }
  }
  touch(parameters_, i.parameter_slot, parameter_slots(i, filters_), false);
  touch_table(i.table);
  touch_output(i, words_per_block(1 << i.output_bits_log2));
}

void Program::visit(const MaxPool& i) {
  const int words = input_words(i, i.input_bits_log2 == 0);
  touch_windows(i, words);
  touch_output(i, words);
}

}  // namespace bitloop::host
