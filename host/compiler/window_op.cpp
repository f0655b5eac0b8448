#include "host/compiler/window_op.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "host/base/error.h"
#include "host/base/integers.h"

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
constexpr int kLargestRepeat = 15;
constexpr int kLargestRow = 32767;  // signed 16-bit fields
// The code less 128 and twice 64.
constexpr int kUnsignedProductTaps = 3;

void limit(const Layer& layer, const char* what, long value, long largest) {
  if (value > largest) {
    throw InputError(fmt::format("layer {}: {} {} is too large for the hardware; the largest is {}",
                                 layer.name, what, value, largest));
  }
}

OpKind kind_of(const Layer& layer) {
  switch (layer.kind) {
    case LayerKind::conv:
    case LayerKind::linear:
      return OpKind::conv;
    case LayerKind::depthwise:
    case LayerKind::average_pool:
    case LayerKind::product:
      return OpKind::depthwise;
    case LayerKind::add:
    case LayerKind::function:
      return OpKind::add;
    case LayerKind::max_pool:
      return OpKind::max_pool;
    default:
      return OpKind::copy;
  }
}

/// What all layers share.
WindowOp common_op(const Network& network, const Layer& layer, const TensorBits& bits, int weight_bits) {
  const Shape& out = network.output_shape(layer);
  WindowOp op;
  op.name = layer.name;
  op.kind = kind_of(layer);
  op.output_height = out.height;
  op.output_width = out.width;
  op.output_bits = bits.written.at(layer.output);
  op.filters = out.channels;
  op.leaky = layer.activation == Activation::leaky_relu;
  op.table = layer.kind == LayerKind::function;
  op.weight_bits = weight_bits;
  limit(layer, "the number of output positions", op.output_positions(), (1L << 24) - 1);
  return op;
}

void set_channels(WindowOp& op, int channels, bool wide) {
  op.block_channels = wide ? 64 : kBlockChannels;
  op.blocks = divide_up(channels, op.block_channels);
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
  if (op.kind != OpKind::conv) return;
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

/// Sums of a depthwise window have 22 signed bits.
void check_depthwise(const Layer& layer, const WindowOp& op, const HardwareInfo& hardware) {
  if (op.kind != OpKind::depthwise && op.kind != OpKind::add) return;
  if (hardware.filters < 4) {
    throw InputError(fmt::format("layer {}: hardware with F={} has no engine for it; the least is F=4",
                                 layer.name, hardware.filters));
  }
  if (op.product && op.blocks > hardware.weight_rows) {
    throw InputError(
        fmt::format("layer {}: a vector of {} channel blocks does not fit the {} rows of weight SRAM; use "
                    "hardware with more",
                    layer.name, op.blocks, hardware.weight_rows));
  }
  if (op.kind == OpKind::add || op.product) return;
  const int widest = op.unit_weights ? 1 : op.weight_bits >= 4 ? (1 << (op.weight_bits - 1)) : 3;
  const long largest = static_cast<long>(op.kernel_height) * op.kernel_width * ((1 << op.input_bits) - 1) *
                       (op.weight_bits == 1 && !op.unit_weights ? 1 : widest);
  if (largest < (1L << 21)) return;
  throw InputError(
      fmt::format("layer {}: a window of {}x{} at {} input bits sums more than the 22 bits of the depthwise "
                  "engine; use a "
                  "smaller kernel or fewer bits",
                  layer.name, op.kernel_height, op.kernel_width, op.input_bits));
}

int packed_stride(const WindowOp& op) { return op.packing ? op.packing->stride_y : 1; }

void check_limits(const Layer& layer, const WindowOp& op) {
  limit(layer, "the number of input positions", static_cast<long>(op.input_height) * op.input_width,
        (1L << 24) - 1);
  limit(layer, "the last window's row",
        static_cast<long>(op.output_height) * std::max(op.stride_y, packed_stride(op)), kLargestRow);
  limit(layer, "the upsampling factor", op.repeat.x, kLargestRepeat);
  limit(layer, "kernel height", op.kernel_height, kLargestKernel);
  limit(layer, "kernel width", op.kernel_width, kLargestKernel);
  limit(layer, "stride", std::max(op.stride_x, op.stride_y), kLargestStride);
  limit(layer, "dilation", std::max(op.dilation_x, op.dilation_y), kLargestDilation);
  limit(layer, "pad", std::max(op.pad_x, op.pad_y), kLargestPad);
  limit(layer, "the number of channel blocks", op.blocks, 65535);
  check_accumulator(layer, op);
}

WindowOp lower_tensor_layer(const Network& network, const Layer& layer, const TensorBits& bits,
                            int weight_bits) {
  const Tensor& in = network.tensors[layer.input()];
  const Window window = layer_window(network, layer);
  WindowOp op = common_op(network, layer, bits, weight_bits);
  const int tensor = layer.input();
  op.input_bits = layer.has_weights()   ? bits.read(tensor)
                  : layer.keeps_codes() ? op.output_bits
                                        : bits.written[tensor];
  op.input_height = in.shape.height;
  op.input_width = in.shape.width;
  op.kernel_height = window.height;
  op.kernel_width = window.width;
  op.stride_y = window.stride.y;
  op.stride_x = window.stride.x;
  op.dilation_y = window.dilation.y;
  op.dilation_x = window.dilation.x;
  op.pad_y = window.pad.top;
  op.pad_x = window.pad.left;
  op.unit_weights = layer.kind == LayerKind::average_pool;
  op.product = layer.kind == LayerKind::product;
  if (layer.kind == LayerKind::upsample) op.repeat = layer.stride;
  if (op.kind == OpKind::add) op.operands = static_cast<int>(layer.inputs.size());
  if (op.kind == OpKind::add || op.kind == OpKind::copy) {
    op.kernel_height = op.kernel_width = op.stride_y = op.stride_x = 1;
    op.output_height = in.shape.height;  // the positions that pass; a copy's are repeated by its stores
    op.output_width = in.shape.width;
    op.filters = in.shape.channels;
  }
  if (op.product && !network.tensors[layer.inputs[1]].is_signed) {
    op.kernel_width = kUnsignedProductTaps;
    op.dilation_x = 0;
  }
  const bool wide = op.input_bits == 1 && (op.kind == OpKind::max_pool || op.kind == OpKind::copy ||
                                           (op.kind == OpKind::conv && weight_bits == 1));
  set_channels(op, in.shape.channels, wide);
  if (in.is_signed && op.kind != OpKind::max_pool) op.zero_code = 1 << (op.input_bits - 1);
  check_limits(layer, op);
  return op;
}

bool layer_pads(const Network& network, const Layer& layer) {
  const Window window = layer_window(network, layer);
  return window.pad.any();
}

/// So many kernel rows per packed position that the fewest positions hold a window, of equal heights as far
/// as they can; rows beyond the kernel count nothing.
int packed_rows(int kernel_height, int columns, int channels, int weight_bits, long staged_rows) {
  const int most = static_cast<int>(std::min<long>(kPackLanes / (columns * channels), staged_rows));
  if (most >= kernel_height) return kernel_height;
  int rows = divide_up(kernel_height, divide_up(kernel_height, std::clamp(most, 1, kLargestDilation)));
  while (weight_bits < 4 && kernel_height % rows != 0) --rows;  // no weight of zero
  return rows;
}

/// The image and the windows over it as the packer sees them.
struct PackedView {
  Shape image;
  Window window;
};

/// An image of more channels than the packer takes is packed as its bytes lie: of one channel, in rows of all
/// columns' channels.
PackedView packed_view(const Layer& layer, const Shape& image, const Window& window, int output_width) {
  if (image.channels <= kLargestChannels) return {image, window};
  if (window.pad.any() || window.dilation.x > 1)
    throw InputError(
        fmt::format("layer {}: it pads or dilates an image of {} channels; of more than {} neither is "
                    "possible: let a convolution of one tap read the image",
                    layer.name, image.channels, kLargestChannels));
  limit(layer, "the number of bytes of an image row", static_cast<long>(image.width) * image.channels,
        kLargestRow);
  PackedView view{{1, image.height, image.width * image.channels}, window};
  view.window.width *= image.channels;
  if (output_width > 1) view.window.stride.x *= image.channels;
  limit(layer, "the number of image bytes from window to window", view.window.stride.x, kLargestPackStride);
  return view;
}

ImagePacking plan_packing(const Layer& layer, const Shape& image, const Window& window, int weight_bits,
                          int staging_words) {
  ImagePacking packing;
  packing.image = image;
  packing.kernel_rows = window.height;
  packing.pad_y = window.pad.top;
  packing.pad_x = window.pad.left;
  packing.stride_x = window.stride.x;
  packing.dilation_x = window.dilation.x;
  // Lanes of a packed position are neighbours in the image: those of a dilated window are positions apart.
  const int most_columns = window.dilation.x > 1 ? 1 : kPackRowLanes / image.channels;
  const int blocks = divide_up(window.width, most_columns);
  const int columns = divide_up(window.width, blocks);
  for (int first = 0; first < window.width; first += columns) {
    packing.block_columns.push_back(std::min(columns, window.width - first));
  }
  // a row may begin and end inside a word
  const long staged_rows = (8L * staging_words - 14) / packing.image_row_bytes();
  if (staged_rows < 1) {
    throw InputError(
        fmt::format("layer {}: an image row of {} bytes does not fit the staging ring of {}; use a narrower "
                    "image or hardware "
                    "with more staging_words",
                    layer.name, packing.image_row_bytes(), 8L * staging_words));
  }
  if (window.dilation.y > 1) return packing;
  packing.rows = packed_rows(window.height, columns, image.channels, weight_bits, staged_rows);
  return packing;
}

WindowOp lower_image_layer(const Network& network, const Layer& layer, const TensorBits& bits,
                           int weight_bits, int staging_words) {
  if (layer.groups != 1 && weight_bits < 4) {
    throw InputError(
        fmt::format("layer {}: groups on the image need weights of 4 or 8 bits, which have a zero; it has {}",
                    layer.name, weight_bits));
  }
  WindowOp op = common_op(network, layer, bits, weight_bits);
  limit(layer, "stride", std::max(layer.stride.y, layer.stride.x), kLargestPackStride);
  const auto [image, window] =
      packed_view(layer, network.input_shape(layer), layer_window(network, layer), op.output_width);
  op.packing = plan_packing(layer, image, window, weight_bits, staging_words);
  ImagePacking& packing = *op.packing;
  op.input_width = op.output_width;
  op.kernel_height = divide_up(window.height, packing.rows);
  if (op.kernel_height == 1) {
    packing.stride_y = window.stride.y;
    op.input_height = op.output_height;
  } else {
    op.stride_y = window.stride.y;
    op.dilation_y = packing.rows * window.dilation.y;
    op.input_height = (op.output_height - 1) * window.stride.y + op.span_height();
  }
  op.blocks = static_cast<int>(packing.block_columns.size());
  op.last_block_channels = packing.rows * packing.block_columns.back() * image.channels;
  check_limits(layer, op);
  return op;
}

}  // namespace

int WindowOp::words_before(int block) const {
  if (block_channels == 64) return block;
  if (input_bits == 1) return divide_up(block, 2);
  return block * input_bits / 2;
}

long WindowOp::tile_cycles(const ReductionPart& part) const {
  const long taps =
      static_cast<long>(part.end_block - part.first_block) * (part.end_row - part.first_row) * kernel_width;
  if (kind == OpKind::copy) return 0;
  if (by_blocks()) return taps * words_per_block(input_bits) * operands;
  if (block_channels == 64) return taps;
  if (input_bits == 1) return taps * weight_bits / 2;
  return taps * weight_bits * input_bits / 2;
}

int WindowOp::first_input_row(int row) const { return std::clamp(row * stride_y - pad_y, 0, input_height); }

int WindowOp::end_input_row(int row) const {
  return std::clamp(row * stride_y - pad_y + span_height(), 0, input_height);
}

WindowOp lower(const Network& network, const Layer& layer, const TensorBits& bits, int weight_bits,
               const HardwareInfo& hardware) {
  const bool image = network.image_input && layer.input() == network.input;
  if (image && layer.kind != LayerKind::conv && layer.kind != LayerKind::linear) {
    throw InputError(
        fmt::format("layer {}: only a convolution can read the image; let one come first", layer.name));
  }
  WindowOp op = image ? lower_image_layer(network, layer, bits, weight_bits, hardware.staging_words)
                      : lower_tensor_layer(network, layer, bits, weight_bits);
  check_depthwise(layer, op, hardware);
  return op;
}

WindowOp narrow_op(const std::string& name, const Shape& shape, int bits) {
  WindowOp op;
  op.name = name;
  op.kind = OpKind::add;
  op.input_height = op.output_height = shape.height;
  op.input_width = op.output_width = shape.width;
  op.output_bits = bits;
  op.filters = shape.channels;
  set_channels(op, shape.channels, false);
  return op;
}

void set_padding(WindowOp& op, const QuantizedLayer& integers) {
  if (op.packing) {
    std::copy_n(integers.pad_codes.begin(), std::min(integers.pad_codes.size(), op.packing->pad_codes.size()),
                op.packing->pad_codes.begin());
  } else if (op.kind != OpKind::max_pool && !integers.pad_codes.empty()) {
    op.zero_code = integers.pad_codes.front();
  }
}

WindowOp part_of(const WindowOp& whole, int channels, int filters) {
  WindowOp op = whole;
  op.filters = filters;
  if (!op.packing) set_channels(op, channels, op.block_channels == 64);
  return op;
}

WindowOp part_of(const Network& network, const Layer& layer, const WindowOp& whole,
                 const ChannelChoice& choice) {
  const auto filters = choice.filters.empty() ? whole.filters : static_cast<int>(choice.filters.size());
  if (choice.channels.empty()) {
    WindowOp op = whole;
    op.filters = filters;
    return op;
  }
  auto lanes = static_cast<int>(choice.channels.size());
  const auto holes = std::count(choice.channels.begin(), choice.channels.end(), -1);
  // Padding fills holes too: their weights cancel each other, so there must be an even number of them.
  const bool pads = whole.weight_bits < 4 && layer.kind == LayerKind::conv && layer_pads(network, layer);
  if (pads && holes % 2 != 0) ++lanes;
  WindowOp op = part_of(whole, lanes, filters);
  check_accumulator(layer, op);
  return op;
}

}  // namespace bitloop::host
