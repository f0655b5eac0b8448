#include "tests/host/program/emulator_core.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "host/base/error.h"
#include "host/network/quantized_network.h"
#include "host/program/plane_words.h"

namespace bitloop::host::test {
namespace {

void require(bool condition, const char* rule) {
  if (!condition) throw DeviceError(fmt::format("illegal descriptor: {}", rule));
}

bool is_wide(const Conv& i) { return i.input_bits_log2 == 0 && i.weight_bits_log2 == 0; }

}  // namespace

EmulatorCore::EmulatorCore(const HardwareInfo& info, Bus bus)
    : info_(info),
      bus_(std::move(bus)),
      activations_(static_cast<std::size_t>(info.activation_rows) * info.pixels),
      weights_(static_cast<std::size_t>(info.weight_rows) * info.filters),
      parameters_(static_cast<std::size_t>(info.parameter_slots) * parameter_words(info.filters)),
      table_(LoadTable::kWords),
      staging_(info.staging_words),
      packed_(info.staging_words),
      accumulators_(static_cast<std::size_t>(info.pixels) * info.filters),
      row_sums_(info.pixels) {
  start_job();
}

namespace {

constexpr std::uint64_t kGarbage = 0xdead'beef'5a5a'a5a5;

}  // namespace

void EmulatorCore::start_job() {
  std::fill(activations_.begin(), activations_.end(), kGarbage);
  start_segment();
}

void EmulatorCore::start_segment() {
  for (auto* memory : {&weights_, &parameters_, &table_, &staging_}) {
    std::fill(memory->begin(), memory->end(), kGarbage);
  }
  std::fill(accumulators_.begin(), accumulators_.end(), 12345);
  std::fill(row_sums_.begin(), row_sums_.end(), 678);
}

void EmulatorCore::execute(const Operation& operation) {
  std::visit([this](const auto& i) { run(i); }, operation);
}

std::uint64_t& EmulatorCore::activation(std::int64_t bank_row, std::int64_t position, bool spread) {
  const std::int64_t row = bank_row + position / info_.pixels;
  require(position >= 0 && row >= 0 && row < info_.activation_rows, "activation SRAM row out of range");
  std::int64_t bank = position % info_.pixels;
  if (spread) bank = bank / 2 + (position + position / info_.pixels) % 2 * (info_.pixels / 2);
  return activations_[static_cast<std::size_t>(row * info_.pixels + bank)];
}

/// visit(offset in memory, word in SRAM), in memory order; each position fills `repeat` words of memory.
template <typename Visit>
void EmulatorCore::for_each_row_word(const RowTransfer& rows, int repeat, const Visit& visit) {
  require(rows.rows > 0 && rows.width > 0 && rows.words > 0, "a transfer of nothing");
  require(rows.offset % 8 == 0 && rows.row_bytes % 8 == 0, "unaligned offset");
  int first = rows.chip.first;
  for (int row = 0; row < rows.rows; ++row) {
    Address offset = rows.offset + static_cast<Address>(row) * rows.row_bytes;
    for (int word = 0; word < rows.words; ++word) {
      const std::int64_t base = rows.chip.base + static_cast<std::int64_t>(word) * rows.chip.stride;
      for (int x = 0; x < rows.width; ++x) {
        for (int n = 0; n < repeat; ++n, offset += 8)
          visit(offset, activation(base, first + x, rows.chip.spread));
      }
    }
    first += rows.chip.pitch;
    if (first >= rows.chip.ring) first -= rows.chip.ring;
  }
}

void EmulatorCore::run(const LoadAct& i) {
  for_each_row_word(i, 1, [this](Address offset, std::uint64_t& word) { word = bus_.read(offset); });
}

void EmulatorCore::run(const Store& i) {
  require(i.repeat >= 1, "no repeat");
  for_each_row_word(i, i.repeat, [this](Address offset, std::uint64_t& word) { bus_.write(offset, word); });
}

void EmulatorCore::run(const LoadWeight& i) {
  require(i.words > 0 && i.words < 65536 && i.offset % 8 == 0, "LOAD_WEIGHT");
  require(i.base + static_cast<std::int64_t>(i.words) <= info_.weight_rows, "weight SRAM row out of range");
  for (std::size_t k = 0; k < static_cast<std::size_t>(i.words) * info_.filters; ++k) {
    weights_[static_cast<std::size_t>(i.base) * info_.filters + k] = bus_.read(i.offset + 8 * k);
  }
}

void EmulatorCore::run(const LoadParam& i) {
  require(i.slots > 0 && i.first_slot + i.slots <= info_.parameter_slots, "parameter slot out of range");
  const std::size_t words = parameter_words(info_.filters);
  for (std::size_t k = 0; k < words * i.slots; ++k) {
    parameters_[i.first_slot * words + k] = bus_.read(i.offset + 8 * k);
  }
}

void EmulatorCore::run(const LoadTable& i) {
  require(i.offset % 8 == 0, "LOAD_TABLE");
  for (std::size_t k = 0; k < table_.size(); ++k) table_[k] = bus_.read(i.offset + 8 * k);
}

void EmulatorCore::run(const LoadImage& i) {
  require(i.words > 0 && i.words <= staging_.size() && i.offset % 8 == 0, "LOAD_IMAGE");
  for (std::size_t k = 0; k < i.words; ++k) {
    const std::size_t word = (i.first_word + k) % staging_.size();
    require(!i.beside || !packed_[word], "LOAD_IMAGE replaces what the PACK beside it reads");
    staging_[word] = bus_.read(i.offset + 8 * k);
  }
}

std::uint8_t EmulatorCore::packed_byte(const Pack& i, int lane, int packed_row, int packed_column) {
  if (lane >= i.rows * i.columns * i.channels) return 0;
  const int channel = lane % i.channels;
  const int column = i.ix + packed_column * i.stride_x + lane / i.channels % i.columns;
  const int below = packed_row * i.stride_y + lane / i.channels / i.columns;  // image rows below row iy
  const int row = i.iy + below;
  if (row < 0 || row >= i.image_height || column < 0 || column >= i.image_width) return i.pad_codes[channel];
  const std::int64_t ring = static_cast<std::int64_t>(staging_.size()) * 8;
  const std::int64_t byte = (i.staging_byte + static_cast<std::int64_t>(below) * i.image_row_bytes +
                             static_cast<std::int64_t>(column) * i.channels + channel) %
                            ring;
  packed_[byte / 8] = true;
  return static_cast<std::uint8_t>(staging_[byte / 8] >> (8 * (byte % 8)));
}

void EmulatorCore::run(const Pack& i) {
  require(i.channels >= 1 && i.channels <= 4 && i.columns * i.channels <= 24 &&
              i.rows * i.columns * i.channels <= 32,
          "PACK shape");
  packed_.assign(staging_.size(), false);
  int first = i.chip.first;
  for (int row = 0; row < i.packed_rows; ++row) {
    for (int x = 0; x < i.packed_width; ++x) {
      std::uint64_t words[4] = {};
      for (int lane = 0; lane < kBlockChannels; ++lane) {
        const std::uint8_t byte = packed_byte(i, lane, row, x);
        for (int plane = 0; plane < 8; ++plane) {
          words[plane / 2] |= static_cast<std::uint64_t>(byte >> plane & 1) << (lane + 32 * (plane % 2));
        }
      }
      for (int k = 0; k < 4; ++k)
        activation(i.chip.base + std::int64_t{k} * i.chip.stride, first + x, false) = words[k];
    }
    first += i.chip.pitch;
    if (first >= i.chip.ring) first -= i.chip.ring;
  }
}

/// visit(position, its number), following the flattened output image.
template <typename Visit>
void EmulatorCore::for_each_position(const WindowWalk& walk, const Visit& visit) {
  require(
      walk.output_first % info_.pixels == 0 && walk.output_ring % info_.pixels == 0 && walk.output_ring > 0,
      "output position not a multiple of P");
  require(walk.input_ring > 0 && walk.output_width > 0 && walk.blocks > 0 && walk.positions > 0,
          "empty window walk");
  Position position{walk.iy, walk.ix, walk.ring_position, walk.output_first};
  int ox = walk.ox;
  for (int n = 0; n < walk.positions; ++n) {
    visit(position, n);
    position.ix += walk.stride_x;
    if (++ox == walk.output_width) {
      ox = 0;
      position.ix = walk.ix_start;
      position.iy += walk.stride_y;
      position.ring_row = (position.ring_row + walk.step_output_row) % walk.input_ring;
    }
    if (++position.output == walk.output_ring) position.output = 0;
  }
}

std::uint64_t EmulatorCore::input_word(const WindowWalk& walk, const Position& position, int row, int column,
                                       int word) {
  const std::int64_t ring_row =
      (position.ring_row + static_cast<std::int64_t>(row) * walk.step_kernel_row) % walk.input_ring;
  const int x = position.ix + column * walk.dilation_x;
  return activation(walk.input_base + static_cast<std::int64_t>(word) * walk.input_stride, ring_row + x,
                    walk.input_spread);
}

namespace {

bool is_inside(const WindowWalk& walk, int y, int x) {
  return y >= 0 && y < walk.input_height && x >= 0 && x < walk.input_width;
}

}  // namespace

std::uint64_t EmulatorCore::activation_plane(const Conv& i, const Position& position, int block, int row,
                                             int column, int plane) {
  const int y = position.iy + row * i.dilation_y;
  const int x = position.ix + column * i.dilation_x;
  if (!is_inside(i, y, x)) {
    const int channels = block + 1 < i.blocks ? (is_wide(i) ? 64 : 32) : i.last_block_channels;
    const std::uint64_t lanes = channels == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << channels) - 1;
    return (i.zero_code >> plane & 1) != 0 ? lanes : 0;
  }
  if (is_wide(i)) return input_word(i, position, row, column, block);
  const int bits = 1 << i.input_bits_log2;
  const int half_word = bits == 1 ? block : block * bits + plane;
  const std::uint64_t word = input_word(i, position, row, column, half_word / 2);
  return static_cast<std::uint32_t>(word >> (32 * (half_word % 2)));
}

std::uint64_t EmulatorCore::weight_plane(const Conv& i, int filter, int block, int row, int column,
                                         int plane) const {
  const int bits = 1 << i.weight_bits_log2;
  const int index = ((block * i.kernel_height + row) * i.kernel_width + column) * bits + plane;
  const int word_row = i.weight_base + (is_wide(i) ? index : index / 2);
  require(word_row < info_.weight_rows, "weight SRAM row out of range");
  const std::uint64_t word = weights_[static_cast<std::size_t>(word_row) * info_.filters + filter];
  return is_wide(i) ? word : static_cast<std::uint32_t>(word >> (32 * (index % 2)));
}

void EmulatorCore::accumulate_tap(const Conv& i, const Position& position, int lane, int block, int row,
                                  int column) {
  for (int plane = 0; plane < 1 << i.input_bits_log2; ++plane) {
    const std::uint64_t codes = activation_plane(i, position, block, row, column, plane);
    row_sums_[lane] += static_cast<std::int64_t>(std::popcount(codes)) << plane;
    for (int filter = 0; filter < i.filters; ++filter) {
      for (int weight = 0; weight < 1 << i.weight_bits_log2; ++weight) {
        const std::uint64_t both = codes & weight_plane(i, filter, block, row, column, weight);
        accumulators_[static_cast<std::size_t>(lane) * info_.filters + filter] +=
            static_cast<std::int64_t>(std::popcount(both)) << (plane + weight);
      }
    }
  }
}

void EmulatorCore::accumulate(const Conv& i, const Position& position, int lane) {
  if (i.clear) {
    std::fill_n(accumulators_.begin() + static_cast<std::ptrdiff_t>(lane) * info_.filters, info_.filters, 0);
    row_sums_[lane] = 0;
  }
  for (int block = 0; block < i.blocks; ++block) {
    for (int row = 0; row < i.kernel_height; ++row) {
      for (int column = 0; column < i.kernel_width; ++column)
        accumulate_tap(i, position, lane, block, row, column);
    }
  }
}

EmulatorCore::Parameters EmulatorCore::parameters(int slot, int lane) const {
  require(slot < info_.parameter_slots, "parameter slot out of range");
  const std::uint64_t* words =
      parameters_.data() + static_cast<std::size_t>(slot) * parameter_words(info_.filters);
  Parameters result;
  result.requantization.bias = static_cast<std::int64_t>(words[2 * lane]);
  result.requantization.multiplier = static_cast<std::uint16_t>(words[2 * lane + 1]);
  result.requantization.shift = static_cast<std::uint8_t>(words[2 * lane + 1] >> 16 & 63);
  const std::uint64_t limits = words[2 * info_.filters];
  result.range = {static_cast<std::int32_t>(words[2 * info_.filters + 1]), static_cast<std::int32_t>(limits),
                  static_cast<std::int32_t>(limits >> 32)};
  return result;
}

std::int32_t EmulatorCore::requantized(std::int64_t d, int slot, int lane, bool leaky) const {
  const Parameters first = parameters(slot, lane);
  if (leaky) {
    const Requantization& r = first.requantization;
    const bool negative = d * r.multiplier + r.bias - (std::int64_t{1} << (r.shift - 1)) < 0;
    if (negative) return requantized(d, slot + 1, lane, false);
  }
  return requantize(d, first.requantization, first.range);
}

std::int32_t EmulatorCore::looked_up(bool table, std::int32_t code) const {
  if (!table) return code;
  require(code >= 0 && code < kTableCodes, "no code of the table");
  return static_cast<std::int32_t>(table_[static_cast<std::size_t>(code) / 8] >> (8 * (code % 8)) & 0xff);
}

void EmulatorCore::write_bit(const WindowWalk& walk, int word, int bit, int position, bool value) {
  std::uint64_t& target = activation(walk.output_base + static_cast<std::int64_t>(word) * walk.output_stride,
                                     position, walk.output_spread);
  const std::uint64_t mask = std::uint64_t{1} << bit;
  target = value ? target | mask : target & ~mask;
}

template <typename CodeOf>
void EmulatorCore::drain(const WindowWalk& walk, int position, int first_bit, int channels, bool zero_extend,
                         const CodeOf& code_of) {
  const int bits = 1 << walk.output_bits_log2;
  const int end = zero_extend ? word_channels(bits) : first_bit + channels;
  for (int bit = first_bit; bit < end; ++bit) {
    const int channel = bit - first_bit;
    const auto code = channel < channels ? static_cast<std::uint32_t>(code_of(channel)) : 0;
    for (int plane = 0; plane < bits; ++plane) {
      write_bit(walk, plane / 2, bit + 32 * (plane % 2), position, (code >> plane & 1) != 0);
    }
  }
}

void EmulatorCore::run(const Conv& i) {
  require(i.filters <= info_.filters && i.parameter_slot + (i.leaky ? 2 : 1) <= info_.parameter_slots,
          "group or slot out of range");
  require((i.clear && i.drain) || i.positions <= info_.pixels, "a part of a reduction covers one tile");
  require(i.bit_offset % info_.filters == 0, "bit offset not a multiple of F");
  require(i.last_block_channels >= 1 && i.last_block_channels <= (is_wide(i) ? 64 : 32),
          "channels of the last block");
  for_each_position(i, [&](const Position& position, int n) {
    const int lane = n % info_.pixels;
    accumulate(i, position, lane);
    if (!i.drain) return;
    drain(i, position.output, i.bit_offset, i.filters, i.zero_extend, [&](int filter) {
      const std::int64_t acc = accumulators_[static_cast<std::size_t>(lane) * info_.filters + filter];
      const std::int64_t d = corrected_dot(acc, row_sums_[lane], 1 << i.weight_bits_log2);
      return looked_up(i.table, requantized(d, i.parameter_slot, filter, i.leaky));
    });
  });
}

/// What DEPTHWISE and ADD require alike. `sets` is the number of slots per group of F channels.
void EmulatorCore::check_channels(const WindowWalk& walk, int channels, int bit_offset, int slot,
                                  int sets) const {
  require(info_.filters >= 4, "F is less than 4");
  require(walk.blocks == 1 && channels >= 1 && channels <= kBlockChannels, "not one channel block");
  require(walk.last_block_channels == channels, "channels of the last block");
  require(walk.output_bits_log2 <= 3, "output width");
  require(bit_offset == 0 || (bit_offset == kBlockChannels && walk.output_bits_log2 == 0), "bit offset");
  const int groups = (channels + info_.filters - 1) / info_.filters;
  require(slot + sets * groups <= info_.parameter_slots, "parameter slot out of range");
}

/// The code of one channel of a block at one kernel position.
std::uint32_t EmulatorCore::channel_code(const WindowWalk& walk, bool upper_half, const Position& position,
                                         int row, int column, int channel) {
  if (!is_inside(walk, position.iy + row * walk.dilation_y, position.ix + column * walk.dilation_x)) {
    return static_cast<std::uint32_t>(walk.zero_code);
  }
  const int bits = 1 << walk.input_bits_log2;
  if (bits == 1) {
    return input_word(walk, position, row, column, 0) >> (channel + (upper_half ? 32 : 0)) & 1;
  }
  std::uint32_t code = 0;
  for (int plane = 0; plane < bits; ++plane) {
    const std::uint64_t word = input_word(walk, position, row, column, plane / 2);
    code |= static_cast<std::uint32_t>(word >> (channel + 32 * (plane % 2)) & 1) << plane;
  }
  return code;
}

std::int64_t EmulatorCore::channel_weight(const Depthwise& i, int tap, int channel) const {
  if (i.unit) return 1;
  const int taps_per_row = info_.filters / 4;
  if (i.product) return tap == 0 ? vector_code(i, channel) - 128 : 64;
  const int row = i.weight_base + tap / taps_per_row;
  const int bank = 4 * (tap % taps_per_row) + channel / 8;
  require(row < info_.weight_rows, "weight SRAM row out of range");
  const std::uint64_t word = weights_[static_cast<std::size_t>(row) * info_.filters + bank];
  return static_cast<std::int8_t>(word >> (8 * (channel % 8)));
}

/// Of a product: four words hold a block's codes as those of any position.
std::int64_t EmulatorCore::vector_code(const Depthwise& i, int channel) const {
  require(i.weight_base < info_.weight_rows, "weight SRAM row out of range");
  const std::size_t first = static_cast<std::size_t>(i.weight_base) * info_.filters;
  std::int64_t code = 0;
  for (int plane = 0; plane < 8; ++plane) {
    const std::uint64_t word = weights_[first + plane / 2];
    code |= static_cast<std::int64_t>(word >> (channel + 32 * (plane % 2)) & 1) << plane;
  }
  return code;
}

std::int64_t EmulatorCore::channel_sum(const Depthwise& i, const Position& position, int channel) {
  std::int64_t sum = 0;
  for (int tap = 0; tap < i.kernel_height * i.kernel_width; ++tap) {
    const std::int64_t code =
        channel_code(i, i.upper_half, position, tap / i.kernel_width, tap % i.kernel_width, channel);
    sum += code * channel_weight(i, tap, channel);
  }
  if (i.product && i.signed_input) {
    const int zero = i.kernel_width > 1 ? 0 : 128;
    sum -= 128 * (vector_code(i, channel) - zero + 1);
  }
  constexpr std::int64_t kHalf = std::int64_t{1} << 21;
  require(sum >= -kHalf && sum < kHalf, "a depthwise sum has more than 22 bits");
  return sum;
}

void EmulatorCore::run(const Depthwise& i) {
  const int sets = i.leaky ? 2 : 1;
  check_channels(i, i.channels, i.bit_offset, i.parameter_slot, sets);
  require(!i.upper_half || i.input_bits_log2 == 0, "only words of 1-bit codes have two blocks");
  require(i.kernel_height > 0 && i.kernel_width > 0, "empty kernel");
  for_each_position(i, [&](const Position& position, int) {
    drain(i, position.output, i.bit_offset, i.channels, i.zero_extend, [&](int channel) {
      const int slot = i.parameter_slot + channel / info_.filters * sets;
      const std::int64_t sum = channel_sum(i, position, channel);
      return looked_up(i.table, requantized(sum, slot, channel % info_.filters, i.leaky));
    });
  });
}

std::uint32_t EmulatorCore::second_code(const Add& i, int number, int channel) {
  const int position = (i.second_first + number) % i.second_ring;
  std::uint32_t code = 0;
  for (int plane = 0; plane < 8; ++plane) {
    const std::int64_t base = i.second_base + std::int64_t{plane / 2} * i.second_stride;
    code |= static_cast<std::uint32_t>(
                activation(base, position, i.second_spread) >> (channel + 32 * (plane % 2)) & 1)
            << plane;
  }
  return code;
}

/// With two operands the second slot says all but B.
std::int32_t EmulatorCore::add_result(const Add& i, const Position& position, int number, int channel) {
  const int slot = i.parameter_slot + channel / info_.filters * i.operands;
  const int lane = channel % info_.filters;
  const std::int64_t x1 = channel_code(i, false, position, 0, 0, channel);
  const Parameters first = parameters(slot, lane);
  if (i.operands == 1) return requantize(x1, first.requantization, first.range);
  Parameters second = parameters(slot + 1, lane);
  second.requantization.bias = x1 * first.requantization.multiplier + first.requantization.bias;
  return requantize(second_code(i, number, channel), second.requantization, second.range);
}

void EmulatorCore::run(const Add& i) {
  require(i.operands == 1 || i.operands == 2, "operands");
  check_channels(i, i.channels, i.bit_offset, i.parameter_slot, i.operands);
  require(i.input_bits_log2 == 3, "operands of 8 bits");
  require(i.kernel_height == 1 && i.kernel_width == 1 && i.stride_y == 1 && i.stride_x == 1 &&
              i.dilation_y == 1 && i.dilation_x == 1,
          "windows of one position");
  if (i.operands == 2) {
    require(i.second_ring > 0 && i.second_ring % info_.pixels == 0 && i.second_first % info_.pixels == 0,
            "operand 2's position not a multiple of P");
  }
  for_each_position(i, [&](const Position& position, int number) {
    drain(i, position.output, i.bit_offset, i.channels, i.zero_extend,
          [&](int channel) { return looked_up(i.table, add_result(i, position, number, channel)); });
  });
}

void EmulatorCore::run(const MaxPool& i) {
  const int bits = 1 << i.input_bits_log2;
  const int lanes = word_channels(bits);
  const int words = words_per_block(bits);
  for_each_position(i, [&](const Position& position, int) {
    for (int block = 0; block < i.blocks; ++block) {
      std::vector<std::uint32_t> largest(lanes, 0);
      for (int tap = 0; tap < i.kernel_height * i.kernel_width; ++tap) {
        const int row = tap / i.kernel_width;
        const int column = tap % i.kernel_width;
        if (!is_inside(i, position.iy + row * i.dilation_y, position.ix + column * i.dilation_x)) continue;
        std::vector<std::uint32_t> codes(lanes, 0);
        for (int plane = 0; plane < bits; ++plane) {
          const std::uint64_t word = input_word(i, position, row, column, block * words + plane / 2);
          for (int lane = 0; lane < lanes; ++lane) {
            codes[lane] |= static_cast<std::uint32_t>(word >> (lane + (plane % 2) * 32) & 1) << plane;
          }
        }
        for (int lane = 0; lane < lanes; ++lane) largest[lane] = std::max(largest[lane], codes[lane]);
      }
      for (int plane = 0; plane < bits; ++plane) {
        for (int lane = 0; lane < lanes; ++lane) {
          write_bit(i, block * words + plane / 2, lane + (plane % 2) * 32, position.output,
                    (largest[lane] >> plane & 1) != 0);
        }
      }
    }
  });
}

}  // namespace bitloop::host::test
