#pragma once

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

/// What a layer computes. `linear` reads its whole input tensor, flattened in channel, row, column order.
enum class LayerKind { conv, linear, max_pool };

/// Where a conv or linear layer's result is clamped after the affine part.
enum class Activation { none, relu, relu6 };

struct Tensor {
  std::string name;
  Shape shape;
  bool is_signed = false;  ///< codes are offset by 2^(bits-1)
};

struct Layer {
  std::string name;
  LayerKind kind = LayerKind::conv;
  int input = 0;   ///< index into Network::tensors
  int output = 0;  ///< index into Network::tensors
  int kernel_height = 1;
  int kernel_width = 1;
  int stride = 1;
  int pad = 0;
  Activation activation = Activation::none;
  bool batch_norm = false;  ///< a batch normalization follows the affine part

  /// Has weights, hence an entry in every policy.
  [[nodiscard]] bool has_weights() const { return kind != LayerKind::max_pool; }
};

/// A graph of layers and the tensors between them, in execution order. Holds geometry only, no weights.
/// Tensor `input` is the image (8-bit pixel codes), tensor `output` the network's result.
struct Network {
  std::string name;
  std::vector<Tensor> tensors;
  std::vector<Layer> layers;
  int input = 0;
  int output = 0;
  /// False where the input is no image but an already quantized tensor of its reader's input_bits, in plane
  /// words.
  bool image_input = true;
  /// Code width of the output tensor; 0: the width of the input tensor (a single measured layer).
  int output_bits = 32;

  [[nodiscard]] const Shape& input_shape(const Layer& layer) const { return tensors.at(layer.input).shape; }
  [[nodiscard]] const Shape& output_shape(const Layer& layer) const { return tensors.at(layer.output).shape; }
  /// Multiplications of one image in this layer; 0 where it has no weights.
  [[nodiscard]] long macs(const Layer& layer) const;
  /// Number of weights of this layer, biases not counted.
  [[nodiscard]] long weight_count(const Layer& layer) const;
  /// Layers that have weights, in execution order: the rows of a policy.
  [[nodiscard]] std::vector<const Layer*> weight_layers() const;
  /// Throws InputError where shapes, indices or the execution order do not fit together.
  void validate() const;
};

/// Rows and columns of the windows of a layer: a linear layer's window is its whole input.
struct Window {
  int height = 1;
  int width = 1;
  int stride = 1;
  int pad = 0;
};
Window layer_window(const Network& network, const Layer& layer);

/// Output height (or width) of a window operation.
int window_output(int size, int kernel, int stride, int pad);

/// A network of the zoo by name (`lenet`). Throws InputError, naming the zoo, where there is none such.
Network zoo_network(std::string_view name);
std::vector<std::string> zoo_names();

/// One layer as a network, from the text that `bitloop measure --layer` takes, such as
/// "conv in=64x32x32 out=64 kernel=3 stride=1 pad=1" or "linear in=400 out=120". `out_bits=` gives the
/// output's code width (default: that of the input), `signed=1` makes the input's codes signed. Throws
/// InputError otherwise.
Network single_layer_network(std::string_view text);

}  // namespace bitloop::host
