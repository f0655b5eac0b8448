#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "host/base/integers.h"
#include "host/device/device.h"
#include "host/network/quantized_network.h"
#include "host/program/plane_words.h"

namespace bitloop::host {

/// How PACK turns the image into channel blocks: each packed position holds `rows` image rows of some kernel
/// columns, one block per group of columns.
struct ImagePacking {
  Shape image;
  int rows = 1;         ///< image rows in one packed position
  int kernel_rows = 1;  ///< of a window; what packed positions hold beyond them has weights of zero
  std::vector<int> block_columns;  ///< kernel columns of each block
  int dilation_x = 1;              ///< image columns from kernel column to kernel column
  int stride_x = 1;                ///< image columns from packed column to packed column
  int stride_y = 1;
  int pad_y = 0;  ///< packed position (0, 0) starts at image row -pad_y, column -pad_x
  int pad_x = 0;
  std::array<std::uint8_t, 4> pad_codes{};

  [[nodiscard]] int image_row_bytes() const { return image.width * image.channels; }
};

/// What the compute engine does to windows. `copy` computes nothing: its rows pass through activation SRAM.
enum class OpKind { conv, max_pool, depthwise, add, copy };

/// A layer as the compute engine sees it: windows over a tensor of channel blocks. A layer that reads the
/// image sees the packed image, a linear layer a convolution with one window, an average pool a depthwise
/// convolution whose weights are one, an elementwise layer windows of one position.
struct WindowOp {
  std::string name;
  OpKind kind = OpKind::conv;
  int input_height = 1;
  int input_width = 1;
  int kernel_height = 1;
  int kernel_width = 1;
  int stride_y = 1;
  int stride_x = 1;
  int dilation_y = 1;
  int dilation_x = 1;  ///< 0: all taps of a row are one position
  int pad_y = 0;       ///< rows and columns before the input; the output's size says what follows it
  int pad_x = 0;
  int output_height = 1;
  int output_width = 1;
  int input_bits = 8;
  int weight_bits = 8;        ///< of a convolution
  bool unit_weights = false;  ///< depthwise: all weights are one
  bool product = false;       ///< depthwise: the weights are the codes of a tensor, one per channel
  bool leaky = false;
  bool table = false;  ///< its codes go through the segment's table
  int operands = 1;    ///< of an add: 1 requantizes
  Steps repeat = 1;    ///< copy: times that each row and position is stored
  int output_bits = 8;
  int blocks = 1;
  int block_channels = kBlockChannels;
  int last_block_channels = kBlockChannels;
  int filters = 1;  ///< channels of the output
  int zero_code = 0;
  std::optional<ImagePacking> packing;

  /// Each channel block of the output depends on the same block of the input alone.
  [[nodiscard]] bool by_blocks() const { return kind != OpKind::conv; }
  /// Whether it reads positions that are an even number apart at once: such a ring is spread.
  [[nodiscard]] bool reads_apart() const { return !packing && stride_x % 2 == 0; }
  /// Whether it reads neighbours from any position on: such a ring is not.
  [[nodiscard]] bool reads_neighbours() const {
    return stride_x % 2 != 0 && (stride_x > 1 || kernel_width > 1 || pad_x != 0);
  }
  /// Channels whose weights and parameters go together: F filters of a convolution, else a block.
  [[nodiscard]] int group_channels(int lanes) const { return kind == OpKind::conv ? lanes : kBlockChannels; }
  [[nodiscard]] int groups(int lanes) const { return divide_up(filters, group_channels(lanes)); }
  /// Sets of parameters per F channels.
  [[nodiscard]] int parameter_sets() const { return kind == OpKind::add ? operands : leaky ? 2 : 1; }
  /// Parameter slots of a group; 0 where there are no parameters.
  [[nodiscard]] int group_slots(int lanes) const {
    if (kind == OpKind::max_pool || kind == OpKind::copy) return 0;
    return parameter_sets() * group_channels(lanes) / lanes;
  }
  /// Has weights of its own.
  [[nodiscard]] bool has_weights() const {
    return kind == OpKind::conv || (kind == OpKind::depthwise && !unit_weights && !product);
  }
  [[nodiscard]] int input_words() const { return words_before(blocks); }
  /// Words per position that hold the blocks before `block`; where two blocks share a word, `block` is even.
  [[nodiscard]] int words_before(int block) const;
  /// Words per position that this part of the reduction reads.
  [[nodiscard]] int input_words(const ReductionPart& part) const {
    return words_before(part.end_block) - words_before(part.first_block);
  }
  [[nodiscard]] int output_words() const { return words_per_position(filters, output_bits); }
  [[nodiscard]] long output_positions() const { return static_cast<long>(output_height) * output_width; }
  /// Blocks that a part of the reduction must hold whole numbers of: 2 where two blocks share a word.
  [[nodiscard]] int block_granule() const {
    return input_bits == 1 && block_channels == kBlockChannels ? 2 : 1;
  }
  /// Array (or pool) cycles of one tile for this part of the reduction.
  [[nodiscard]] long tile_cycles(const ReductionPart& part) const;
  [[nodiscard]] ReductionPart whole() const { return {0, blocks, 0, kernel_height}; }
  /// Rows (columns) of the input from a window's first tap to behind its last.
  [[nodiscard]] int span_height() const { return (kernel_height - 1) * dilation_y + 1; }
  [[nodiscard]] int span_width() const { return (kernel_width - 1) * dilation_x + 1; }
  /// First input row that output row `row` reads, and the row after its last; clipped to the input.
  [[nodiscard]] int first_input_row(int row) const;
  [[nodiscard]] int end_input_row(int row) const;
};

/// Cycles that the channelwise units take for a word of each position.
inline int channel_passes(const HardwareInfo& hardware) { return kBlockChannels / hardware.channel_lanes; }

/// Which of its layer's filters and channels an operation computes with, and in which lanes.
struct ChannelChoice {
  std::vector<int> filters;  ///< by lane of the result; empty: all, in order
  /// By lane of the input, -1 of a hole; empty: all, in order. Of what reads across channels.
  std::vector<int> channels;
};

/// A layer as an operation. `weight_bits` counts where it has weights. The padding is the zero code of the
/// input's signedness, of an image code 0, until integers say otherwise. Throws InputError, naming the layer
/// and the limit, where no descriptor could say it.
WindowOp lower(const Network& network, const Layer& layer, const TensorBits& bits, int weight_bits,
               const HardwareInfo& hardware);

/// The requantization of a tensor's 8-bit codes to `bits`.
WindowOp narrow_op(const std::string& name, const Shape& shape, int bits);

/// The part of a layer's operation that gives `filters` of its channels, of `channels` lanes of the input.
WindowOp part_of(const WindowOp& whole, int channels, int filters);
/// The part of a convolution that `choice` names. Throws InputError, naming the layer, where its sums, with
/// the holes in the input, are too large.
WindowOp part_of(const Network& network, const Layer& layer, const WindowOp& whole,
                 const ChannelChoice& choice);

/// Puts the integers' padding codes into an operation.
void set_padding(WindowOp& op, const QuantizedLayer& integers);

}  // namespace bitloop::host
