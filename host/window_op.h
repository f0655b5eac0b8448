#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "host/plane_words.h"
#include "host/quantized_network.h"

namespace bitloop::host {

/// How PACK turns the image into channel blocks: each packed position holds `rows` image rows of some kernel
/// columns, one block per group of columns.
struct ImagePacking {
  Shape image;
  int rows = 1;                    ///< image rows in one packed position
  std::vector<int> block_columns;  ///< kernel columns of each block
  int stride_x = 1;                ///< image columns from packed column to packed column
  int stride_y = 1;
  int pad = 0;  ///< packed position (0, 0) starts at image row and column -pad
  std::array<std::uint8_t, 4> pad_codes{};

  [[nodiscard]] int image_row_bytes() const { return image.width * image.channels; }
};

/// A layer as the compute engine sees it: windows over a tensor of channel blocks. A layer that reads the
/// image sees the packed image, a linear layer a convolution with one window.
struct WindowOp {
  std::string name;
  bool pool = false;
  int input_height = 1;
  int input_width = 1;
  int kernel_height = 1;
  int kernel_width = 1;
  int stride_y = 1;
  int stride_x = 1;
  int dilation_y = 1;
  int pad = 0;
  int output_height = 1;
  int output_width = 1;
  int input_bits = 8;
  int weight_bits = 8;  ///< unused by a pool
  int output_bits = 8;
  int blocks = 1;
  int block_channels = kBlockChannels;
  int last_block_channels = kBlockChannels;
  int filters = 1;  ///< channels of the output
  int zero_code = 0;
  std::optional<ImagePacking> packing;

  [[nodiscard]] int input_words() const { return words_before(blocks); }
  /// Words per position that hold the blocks before `block`; where two blocks share a word, `block` is even.
  [[nodiscard]] int words_before(int block) const;
  [[nodiscard]] int output_words() const { return words_per_position(filters, output_bits); }
  [[nodiscard]] long output_positions() const { return static_cast<long>(output_height) * output_width; }
  /// Blocks that a part of the reduction must hold whole numbers of: 2 where two blocks share a word.
  [[nodiscard]] int block_granule() const {
    return input_bits == 1 && block_channels == kBlockChannels ? 2 : 1;
  }
  /// Array (or pool) cycles of one tile for this part of the reduction.
  [[nodiscard]] long tile_cycles(const ReductionPart& part) const;
  [[nodiscard]] ReductionPart whole() const { return {0, blocks, 0, kernel_height}; }
  /// First input row that output row `row` reads, and the row after its last; clipped to the input.
  [[nodiscard]] int first_input_row(int row) const;
  [[nodiscard]] int end_input_row(int row) const;
};

/// What the compiler needs of a layer: its windows and, unless it is a pool, the weights in their order.
struct LoweredLayer {
  WindowOp op;
  WeightCodes weights;
};

/// `integers` is null for a pool. Throws InputError, naming the layer and the limit, where no descriptor
/// could say it.
LoweredLayer lower(const QuantizedNetwork& network, const Layer& layer, const QuantizedLayer* integers);

}  // namespace bitloop::host
