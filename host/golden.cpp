#include <fmt/format.h>

#include <algorithm>

#include "host/error.h"
#include "host/quantized_network.h"

namespace bitloop::host {
namespace {

long index_of(const Shape& shape, int channel, int row, int column) {
  return (static_cast<long>(channel) * shape.height + row) * shape.width + column;
}

/// acc and rowsum of one window.
struct Sums {
  std::int64_t acc = 0;
  std::int64_t rowsum = 0;
};

Sums window_sums(const CodeTensor& input, const Window& window, const std::uint8_t* weights,
                 const std::vector<std::uint8_t>& pad_codes, int y, int x) {
  Sums sums;
  for (int c = 0; c < input.shape.channels; ++c) {
    for (int i = 0; i < window.height; ++i) {
      for (int j = 0; j < window.width; ++j) {
        const int row = y * window.stride - window.pad + i;
        const int column = x * window.stride - window.pad + j;
        const bool inside = row >= 0 && row < input.shape.height && column >= 0 && column < input.shape.width;
        const std::int64_t code = inside ? input.codes[index_of(input.shape, c, row, column)] : pad_codes[c];
        sums.acc += code * *weights++;
        sums.rowsum += code;
      }
    }
  }
  return sums;
}

std::int32_t window_maximum(const CodeTensor& input, const Window& window, int channel, int y, int x) {
  std::int32_t largest = 0;  // codes are unsigned: nothing is smaller
  for (int i = 0; i < window.height; ++i) {
    for (int j = 0; j < window.width; ++j) {
      const int row = y * window.stride - window.pad + i;
      const int column = x * window.stride - window.pad + j;
      if (row < 0 || row >= input.shape.height || column < 0 || column >= input.shape.width) continue;
      largest = std::max(largest, input.codes[index_of(input.shape, channel, row, column)]);
    }
  }
  return largest;
}

CodeTensor empty_tensor(const Shape& shape, int bits) {
  return {shape, bits, std::vector<std::int32_t>(static_cast<std::size_t>(shape.elements()))};
}

}  // namespace

CodeTensor golden_weight_layer(const Network& network, const Layer& layer, const QuantizedLayer& integers,
                               const CodeTensor& input, int output_bits) {
  const Window window = layer_window(network, layer);
  const long window_size = static_cast<long>(input.shape.channels) * window.height * window.width;
  CodeTensor output = empty_tensor(network.output_shape(layer), output_bits);
  auto code = output.codes.begin();
  for (int f = 0; f < output.shape.channels; ++f) {
    const std::uint8_t* weights = integers.weights.data() + f * window_size;
    for (int y = 0; y < output.shape.height; ++y) {
      for (int x = 0; x < output.shape.width; ++x) {
        const Sums sums = window_sums(input, window, weights, integers.pad_codes, y, x);
        const std::int64_t d = corrected_dot(sums.acc, sums.rowsum, integers.weight_bits);
        *code++ = requantize(d, integers.requantization[f], integers.range);
      }
    }
  }
  return output;
}

CodeTensor golden_max_pool(const Network& network, const Layer& layer, const CodeTensor& input) {
  const Window window = layer_window(network, layer);
  CodeTensor output = empty_tensor(network.output_shape(layer), input.bits);
  auto code = output.codes.begin();
  for (int c = 0; c < output.shape.channels; ++c) {
    for (int y = 0; y < output.shape.height; ++y) {
      for (int x = 0; x < output.shape.width; ++x) *code++ = window_maximum(input, window, c, y, x);
    }
  }
  return output;
}

CodeTensor input_codes(const Shape& shape, int bits, std::span<const std::uint8_t> hwc) {
  if (hwc.size() != static_cast<std::size_t>(shape.elements())) {
    throw InputError(fmt::format("the input has {} bytes; {}x{}x{} needs {}", hwc.size(), shape.channels,
                                 shape.height, shape.width, shape.elements()));
  }
  CodeTensor tensor = empty_tensor(shape, bits);
  std::size_t next = 0;
  for (int y = 0; y < shape.height; ++y) {
    for (int x = 0; x < shape.width; ++x) {
      for (int c = 0; c < shape.channels; ++c) {
        const std::uint8_t code = hwc[next++];
        if (code >> bits != 0)
          throw InputError(fmt::format("the input's code {} has more than {} bits", code, bits));
        tensor.codes[index_of(shape, c, y, x)] = code;
      }
    }
  }
  return tensor;
}

CodeTensor image_codes(const Shape& shape, std::span<const std::uint8_t> hwc) {
  return input_codes(shape, 8, hwc);
}

std::vector<CodeTensor> golden_run(const QuantizedNetwork& network, std::span<const std::uint8_t> hwc_image) {
  const Network& graph = network.network;
  std::vector<CodeTensor> tensors(graph.tensors.size());
  tensors[graph.input] =
      input_codes(graph.tensors[graph.input].shape, network.tensor_bits[graph.input], hwc_image);
  std::size_t weight_layer = 0;
  for (const Layer& layer : graph.layers) {
    const CodeTensor& input = tensors[layer.input];
    tensors[layer.output] = layer.has_weights()
                                ? golden_weight_layer(graph, layer, network.layers[weight_layer++], input,
                                                      network.tensor_bits[layer.output])
                                : golden_max_pool(graph, layer, input);
  }
  return tensors;
}

}  // namespace bitloop::host
