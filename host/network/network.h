#pragma once

#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bitloop::host {

/// Channels, height and width of a tensor for one image. A vector of n numbers is {n, 1, 1}.
struct Shape {
  int channels = 1;
  int height = 1;
  int width = 1;

  [[nodiscard]] long elements() const { return static_cast<long>(channels) * height * width; }
  bool operator==(const Shape&) const = default;
};

/// Something per direction: from row to row, and from column to column. One number stands for both.
struct Steps {
  int y = 1;
  int x = 1;

  Steps() = default;
  Steps(int both) : y(both), x(both) {}  // NOLINT(google-explicit-constructor): what most layers say
  Steps(int rows, int columns) : y(rows), x(columns) {}
  bool operator==(const Steps&) const = default;
};

/// Rows and columns around a tensor. One number stands for all sides.
struct Padding {
  int top = 0;
  int left = 0;
  int bottom = 0;
  int right = 0;

  Padding() = default;
  Padding(int all) : Padding(all, all, all, all) {}  // NOLINT(google-explicit-constructor): as Steps
  Padding(int top_rows, int left_columns, int bottom_rows, int right_columns)
      : top(top_rows), left(left_columns), bottom(bottom_rows), right(right_columns) {}
  [[nodiscard]] bool any() const { return *this != Padding(); }
  bool operator==(const Padding&) const = default;
};

/// Rows and columns of the windows of a layer.
struct Window {
  int height = 1;
  int width = 1;
  Steps stride = 1;
  Steps dilation = 1;  ///< from tap to tap
  Padding pad = 0;

  [[nodiscard]] int taps() const { return height * width; }
  /// Rows (columns) of the input from the first tap to behind the last.
  [[nodiscard]] int span_height() const { return (height - 1) * dilation.y + 1; }
  [[nodiscard]] int span_width() const { return (width - 1) * dilation.x + 1; }
  /// Input row (column) of a tap of the window at output row `y` (column `x`), negative in the padding.
  [[nodiscard]] int row(int y, int tap) const { return y * stride.y - pad.top + tap * dilation.y; }
  [[nodiscard]] int column(int x, int tap) const { return x * stride.x - pad.left + tap * dilation.x; }
  /// The shape of what the windows over `input` give; height or width 0 where none fits.
  [[nodiscard]] Shape over(const Shape& input) const;
};

/// What a layer computes. `linear` reads its whole input tensor, flattened in channel, row, column order;
/// a filter of `depthwise` reads one channel, of which each has equally many filters in a row;
/// `concat` puts its inputs' channels one behind the other; `interleave` puts its inputs' positions side by
/// side: input i gives rows i / `stride.x` and columns i % `stride.x` of each `stride.y` x `stride.x` of the
/// output (a DepthToSpace of a concat, a transposed convolution of its phases); `upsample` repeats each
/// position `stride` times (nearest); `select` gives some of its input's channels, in any order: a slice, a
/// part of a split, a shuffle; `function` makes `Layer::function` of each number; `product` multiplies its
/// first input by its second, which has one number per channel.
enum class LayerKind {
  conv,
  depthwise,
  linear,
  add,
  max_pool,
  average_pool,
  concat,
  upsample,
  interleave,
  select,
  function,
  product
};

/// What follows the affine part (of an add: the sum). A leaky ReLU keeps `Layer::negative_slopes` of negative
/// results.
enum class Activation { none, relu, relu6, leaky_relu };

/// What real values are kept to: clipped to low..high and, where `step` is not 0, rounded to its multiples.
struct Limits {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  double step = 0;

  bool operator==(const Limits&) const = default;
  [[nodiscard]] bool any() const { return *this != Limits{}; }
  /// Both, one behind the other, as one; of two steps the later one.
  [[nodiscard]] Limits then(const Limits& next) const;
};

struct Tensor {
  std::string name;
  Shape shape;
  bool is_signed = false;  ///< codes are offset by 2^(bits-1)
  /// Its values', beside those of the activation that makes them. Steps are those that a quantized file
  /// states: a policy has its own.
  Limits limits = {};
  /// Further ones of what layers with weights read of it.
  Limits narrow_limits = {};
};

struct Layer {
  std::string name;
  LayerKind kind = LayerKind::conv;
  /// Indices into Network::tensors: two of an add or a product, several of a concat or interleave, else one.
  std::vector<int> inputs;
  int output = 0;  ///< index into Network::tensors
  int kernel_height = 1;
  int kernel_width = 1;
  Steps stride = 1;  ///< of an upsample: how often each position is repeated
  Padding pad = 0;
  Activation activation = Activation::none;
  bool batch_norm = false;                   ///< a batch normalization follows the affine part
  std::vector<double> negative_slopes{0.1};  ///< of a leaky ReLU: that of all filters, or one of each
  Steps dilation = 1;
  /// Of an average pool: the outermost part of the padding, which the average does not count.
  Padding uncounted = 0;
  /// Of a conv: its channels and its filters fall into so many equal runs, and the filters of a run read the
  /// channels of theirs.
  int groups = 1;
  /// Of a select: which of its input's channels it gives, in order, none twice.
  std::vector<int> channels = {};
  std::string function = {};  ///< in the words of host/network/function.h

  [[nodiscard]] int input() const { return inputs.front(); }
  /// Of all kinds but linear, whose window is its whole input.
  [[nodiscard]] Window window() const { return {kernel_height, kernel_width, stride, dilation, pad}; }
  /// Has weights, hence an entry in every policy.
  [[nodiscard]] bool has_weights() const {
    return kind == LayerKind::conv || kind == LayerKind::depthwise || kind == LayerKind::linear;
  }
  /// Its output has its inputs' codes: scale, zero point and width are theirs.
  [[nodiscard]] bool keeps_codes() const {
    return kind == LayerKind::max_pool || kind == LayerKind::concat || kind == LayerKind::upsample ||
           kind == LayerKind::interleave || kind == LayerKind::select;
  }
};

/// A graph of layers and the tensors between them, in execution order. Holds geometry only, no weights.
/// Tensor `input` is the image (8-bit pixel codes), the tensors `outputs` are the network's results: read by
/// none, each is written by a conv or linear layer where results have 32 bits; of at most 8 bits they are
/// ordinary tensors, and an add, an average pool or a depthwise layer may write them too.
struct Network {
  std::string name;
  std::vector<Tensor> tensors;
  std::vector<Layer> layers;
  int input = 0;
  std::vector<int> outputs;
  /// False where the input is no image but an already quantized tensor of its reader's input_bits, in plane
  /// words.
  bool image_input = true;
  /// Code width of the output tensors; 0: the width of the input tensor (a single measured layer).
  int output_bits = 32;

  /// The result of a network that has one.
  [[nodiscard]] int output() const { return outputs.front(); }
  [[nodiscard]] bool is_output(int tensor) const;
  /// Of the first input.
  [[nodiscard]] const Shape& input_shape(const Layer& layer) const { return tensors.at(layer.input()).shape; }
  [[nodiscard]] const Shape& output_shape(const Layer& layer) const { return tensors.at(layer.output).shape; }
  /// Runs of channels that filters of their own read: a depthwise layer has as many as channels.
  [[nodiscard]] int groups(const Layer& layer) const {
    return layer.kind == LayerKind::depthwise ? input_shape(layer).channels : layer.groups;
  }
  /// Channels that one filter reads.
  [[nodiscard]] int filter_channels(const Layer& layer) const {
    return input_shape(layer).channels / groups(layer);
  }
  /// The first of the channels that filter `filter` reads.
  [[nodiscard]] int first_channel(const Layer& layer, int filter) const {
    const int filters = output_shape(layer).channels / groups(layer);  // of a run
    return filter / filters * filter_channels(layer);
  }
  /// Multiplications of one image in this layer; 0 where it has no weights.
  [[nodiscard]] long macs(const Layer& layer) const;
  /// Number of weights of this layer, biases not counted.
  [[nodiscard]] long weight_count(const Layer& layer) const;
  /// Layers that have weights, in execution order: the rows of a policy.
  [[nodiscard]] std::vector<const Layer*> weight_layers() const;
  /// What a layer's results are kept to, by its activation and its output's limits.
  [[nodiscard]] Limits result_limits(const Layer& layer) const;
  /// Throws InputError where shapes, indices or the execution order do not fit together.
  void validate() const;
};

/// The windows of a layer: a linear layer's window is its whole input; one position where there are none.
Window layer_window(const Network& network, const Layer& layer);

/// The numbers of taps that an average pool's windows count, the largest first: one number, unless part of
/// its padding is uncounted.
std::vector<int> counted_taps(const Network& network, const Layer& layer);
/// Those of the window at an output position.
int counted_taps(const Layer& layer, const Shape& input, int y, int x);

/// Per tensor, the first tensor of its width class: layers that keep codes join the tensors around them, so
/// that all have one scale, one signedness and one width.
std::vector<int> width_classes(const Network& network);

/// Sets `is_signed` of every tensor from the layers that write it: results whose limits allow negative ones
/// are signed, codes that are kept or averaged stay as they are, and one signed tensor makes its width class
/// signed. Neither the image nor a 32-bit result is.
void derive_signedness(Network& network);

/// A network of the zoo by name, such as `lenet` or `mobilenet-v2` (with a width multiplier of 0.1 to 2:
/// `mobilenet-v2-0.35`), for images of another size (classifiers: also of 1 or 3 channels) and another number
/// of classes than its own where `image` and `classes` say so. Throws InputError, naming the zoo, where there
/// is none such, the size does not fit, or a network that is no classifier is asked for classes.
Network zoo_network(std::string_view name, std::optional<Shape> image = {}, std::optional<int> classes = {});
/// Without width multipliers.
std::vector<std::string> zoo_names();

/// One layer as a network, from the text that `bitloop measure --layer` takes, such as
/// "conv in=64x32x32 out=64 kernel=3 stride=1 pad=1", "dwconv in=96x56x56 kernel=3 stride=2 pad=1" or "linear
/// in=400 out=120". Kernel, stride, dilation and pad are one number, or two for rows and columns ("1x7"), a
/// pad also four (top, left, bottom, right). `out_bits=` gives the output's code width (default: that of the
/// input), `signed=1` makes the input's codes signed. Throws InputError otherwise.
Network single_layer_network(std::string_view text);

}  // namespace bitloop::host
