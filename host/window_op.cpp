#include "host/window_op.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "host/error.h"

namespace bitloop::host {
namespace {

constexpr int kPackLanes = 32;       // lanes of a channel block
constexpr int kPackRowLanes = 24;    // columns * channels of one packed image row
constexpr int kLargestChannels = 4;  // of an image
constexpr int kLargestKernel = 255;
constexpr int kLargestStride = 15;
constexpr int kLargestDilation = 15;
constexpr int kLargestPad = 127;
constexpr int kLargestPackStride = 255;

void limit(const Layer& layer, const char* what, long value, long largest) {
  if (value > largest) {
    throw InputError(fmt::format("layer {}: {} {} is too large for the hardware; the largest is {}",
                                 layer.name, what, value, largest));
  }
}

/// The part that image and tensor layers share.
WindowOp common_op(const QuantizedNetwork& network, const Layer& layer) {
  const Shape& out = network.network.output_shape(layer);
  WindowOp op;
  op.name = layer.name;
  op.pool = layer.kind == LayerKind::max_pool;
  op.output_height = out.height;
  op.output_width = out.width;
  op.input_bits = network.tensor_bits.at(layer.input);
  op.output_bits = network.tensor_bits.at(layer.output);
  op.filters = out.channels;
  limit(layer, "the number of output positions", op.output_positions(), (1L << 24) - 1);
  return op;
}

void set_channels(WindowOp& op, int channels, bool wide) {
  op.block_channels = wide ? 64 : kBlockChannels;
  op.blocks = (channels + op.block_channels - 1) / op.block_channels;
  op.last_block_channels = channels - (op.blocks - 1) * op.block_channels;
}

/// Products of codes that each output sums, those of packed rows beyond the kernel included.
long products_per_output(const WindowOp& op) {
  long channels = static_cast<long>(op.blocks - 1) * op.block_channels + op.last_block_channels;
  if (op.packing) {
    const auto& columns = op.packing->block_columns;
    channels =
        std::accumulate(columns.begin(), columns.end(), 0L) * op.packing->rows * op.packing->image.channels;
  }
  return channels * op.kernel_height * op.kernel_width;
}

/// How many products of unsigned codes the array's 32-bit accumulator can sum.
long most_products(int weight_bits, int input_bits) {
  return ((1L << 32) - 1) / (((1L << weight_bits) - 1) * ((1L << input_bits) - 1));
}

void check_accumulator(const Layer& layer, const WindowOp& op) {
  if (op.pool) return;
  const long products = products_per_output(op);
  const long most = most_products(op.weight_bits, op.input_bits);
  if (products <= most) return;
  int narrower = op.weight_bits;
  while (narrower > 1 && products > most_products(narrower, op.input_bits)) narrower /= 2;
  const bool fits = products <= most_products(narrower, op.input_bits);
  throw InputError(fmt::format(
      "layer {}: {} products per output of {}-bit weights and {}-bit inputs are too many for the hardware's "
      "32-bit accumulator; the most are {}{}",
      layer.name, products, op.weight_bits, op.input_bits, most,
      fits ? fmt::format(", and {}-bit weights fit", narrower) : ""));
}

void check_limits(const Layer& layer, const WindowOp& op) {
  limit(layer, "kernel height", op.kernel_height, kLargestKernel);
  limit(layer, "kernel width", op.kernel_width, kLargestKernel);
  limit(layer, "stride", std::max(op.stride_x, op.stride_y), kLargestStride);
  limit(layer, "pad", op.pad, kLargestPad);
  limit(layer, "the number of channel blocks", op.blocks, 65535);
  check_accumulator(layer, op);
}

LoweredLayer lower_tensor_layer(const QuantizedNetwork& network, const Layer& layer,
                                const QuantizedLayer* integers) {
  const Shape& in = network.network.input_shape(layer);
  const Window window = layer_window(network.network, layer);
  LoweredLayer result{common_op(network, layer), {}};
  WindowOp& op = result.op;
  op.input_height = in.height;
  op.input_width = in.width;
  op.kernel_height = window.height;
  op.kernel_width = window.width;
  op.stride_y = op.stride_x = window.stride;
  op.pad = window.pad;
  const bool narrow_weights = integers == nullptr || integers->weight_bits == 1;
  set_channels(op, in.channels, op.input_bits == 1 && narrow_weights);
  if (integers != nullptr) {
    op.weight_bits = integers->weight_bits;
    op.zero_code = integers->pad_codes.at(0);
    result.weights = {op.filters,     in.channels,       window.height,    window.width,
                      op.weight_bits, op.block_channels, integers->weights};
  }
  check_limits(layer, op);
  return result;
}

/// A weight code that counts as zero; widths below 4 have none.
int zero_weight(int weight_bits) { return weight_bits == 8 ? 128 : 8; }

/// As many kernel rows per packed position as fit, so that rows beyond the kernel count nothing.
int packed_rows(int kernel_height, int columns, int channels, int weight_bits) {
  const int most = kPackLanes / (columns * channels);
  if (most >= kernel_height) return kernel_height;
  for (int rows = std::min(most, kLargestDilation); rows > 1; --rows) {
    if (weight_bits >= 4 || kernel_height % rows == 0) return rows;
  }
  return 1;
}

ImagePacking plan_packing(const Layer& layer, const Shape& image, const Window& window,
                          const QuantizedLayer& integers) {
  limit(layer, "the number of image channels", image.channels, kLargestChannels);
  ImagePacking packing;
  packing.image = image;
  packing.pad = window.pad;
  packing.stride_x = window.stride;
  const int most_columns = kPackRowLanes / image.channels;
  const int blocks = (window.width + most_columns - 1) / most_columns;
  const int columns = (window.width + blocks - 1) / blocks;
  for (int first = 0; first < window.width; first += columns) {
    packing.block_columns.push_back(std::min(columns, window.width - first));
  }
  packing.rows = packed_rows(window.height, columns, image.channels, integers.weight_bits);
  std::copy(integers.pad_codes.begin(), integers.pad_codes.end(), packing.pad_codes.begin());
  return packing;
}

/// Weights in the order of the packed lanes: channel (row * columns + column) * C + c of each block.
WeightCodes packed_weights(const WindowOp& op, const Shape& image, const Window& window,
                           const QuantizedLayer& integers) {
  const ImagePacking& packing = *op.packing;
  const int channels = (op.blocks - 1) * kBlockChannels + op.last_block_channels;
  WeightCodes packed{op.filters, channels, op.kernel_height, 1, op.weight_bits, kBlockChannels, {}};
  packed.codes.resize(static_cast<std::size_t>(op.filters) * channels * op.kernel_height);
  for (int f = 0; f < op.filters; ++f) {
    int first_column = 0;
    for (int block = 0; block < op.blocks; first_column += packing.block_columns[block++]) {
      const int columns = packing.block_columns[block];
      for (int lane = 0; lane < packing.rows * columns * image.channels; ++lane) {
        const int c = lane % image.channels;
        const int column = first_column + lane / image.channels % columns;
        for (int step = 0; step < op.kernel_height; ++step) {
          const int row = step * packing.rows + lane / image.channels / columns;
          const std::size_t to =
              (static_cast<std::size_t>(f) * channels + block * kBlockChannels + lane) * op.kernel_height +
              step;
          const std::size_t from =
              ((static_cast<std::size_t>(f) * image.channels + c) * window.height + row) * window.width +
              column;
          packed.codes[to] = row < window.height ? integers.weights[from]
                                                 : static_cast<std::uint8_t>(zero_weight(op.weight_bits));
        }
      }
    }
  }
  return packed;
}

LoweredLayer lower_image_layer(const QuantizedNetwork& network, const Layer& layer,
                               const QuantizedLayer& integers) {
  const Shape& image = network.network.input_shape(layer);
  const Window window = layer_window(network.network, layer);
  limit(layer, "stride", window.stride, kLargestPackStride);
  LoweredLayer result{common_op(network, layer), {}};
  WindowOp& op = result.op;
  op.weight_bits = integers.weight_bits;
  op.packing = plan_packing(layer, image, window, integers);
  ImagePacking& packing = *op.packing;
  op.input_width = op.output_width;
  op.kernel_height = (window.height + packing.rows - 1) / packing.rows;
  if (op.kernel_height == 1) {
    packing.stride_y = window.stride;
    op.input_height = op.output_height;
  } else {
    op.stride_y = window.stride;
    op.dilation_y = packing.rows;
    op.input_height = (op.output_height - 1) * window.stride + (op.kernel_height - 1) * packing.rows + 1;
  }
  op.blocks = static_cast<int>(packing.block_columns.size());
  op.last_block_channels = packing.rows * packing.block_columns.back() * image.channels;
  check_limits(layer, op);
  result.weights = packed_weights(op, image, window, integers);
  return result;
}

}  // namespace

int WindowOp::words_before(int block) const {
  if (block_channels == 64) return block;
  if (input_bits == 1) return (block + 1) / 2;
  return block * input_bits / 2;
}

long WindowOp::tile_cycles(const ReductionPart& part) const {
  const long taps =
      static_cast<long>(part.end_block - part.first_block) * (part.end_row - part.first_row) * kernel_width;
  if (pool) return taps * words_per_block(input_bits);
  if (block_channels == 64) return taps;
  if (input_bits == 1) return taps * weight_bits / 2;
  return taps * weight_bits * input_bits / 2;
}

int WindowOp::first_input_row(int row) const { return std::clamp(row * stride_y - pad, 0, input_height); }

int WindowOp::end_input_row(int row) const {
  return std::clamp(row * stride_y - pad + (kernel_height - 1) * dilation_y + 1, 0, input_height);
}

LoweredLayer lower(const QuantizedNetwork& network, const Layer& layer, const QuantizedLayer* integers) {
  const bool image = network.network.image_input && layer.input == network.network.input;
  if (!image) return lower_tensor_layer(network, layer, integers);
  if (integers == nullptr) {
    throw InputError(
        fmt::format("layer {}: a pool cannot read the image; let a convolution come first", layer.name));
  }
  return lower_image_layer(network, layer, *integers);
}

}  // namespace bitloop::host
