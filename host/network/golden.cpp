#include <fmt/format.h>

#include <algorithm>

#include "host/base/error.h"
#include "host/network/quantized_network.h"

namespace bitloop::host {
namespace {

long index_of(const Shape& shape, int channel, int row, int column) {
  return (static_cast<long>(channel) * shape.height + row) * shape.width + column;
}

/// The code at a position of a window's channel, or `pad` outside the tensor.
std::int32_t code_at(const CodeTensor& input, int channel, int row, int column, std::int32_t pad) {
  const bool inside = row >= 0 && row < input.shape.height && column >= 0 && column < input.shape.width;
  return inside ? input.codes[index_of(input.shape, channel, row, column)] : pad;
}

/// acc and rowsum of one window.
struct Sums {
  std::int64_t acc = 0;
  std::int64_t rowsum = 0;
};

/// Adds what one channel of the window at output position (y, x) contributes; `weights` are this channel's.
void add_channel(Sums& sums, const CodeTensor& input, const Window& window, const std::uint8_t* weights,
                 int channel, std::int32_t pad, int y, int x) {
  for (int i = 0; i < window.height; ++i) {
    for (int j = 0; j < window.width; ++j) {
      const std::int64_t code = code_at(input, channel, window.row(y, i), window.column(x, j), pad);
      sums.acc += code * weights[i * window.width + j];
      sums.rowsum += code;
    }
  }
}

/// Channels first .. first + count - 1, which a filter reads.
struct FilterChannels {
  int first = 0;
  int count = 1;
};

/// The sums of filter `f` over the channels that it reads.
Sums filter_sums(const FilterChannels& channels, const Window& window, const QuantizedLayer& integers,
                 const CodeTensor& input, int f, int y, int x) {
  const int taps = window.height * window.width;
  Sums sums;
  for (int i = 0; i < channels.count; ++i) {
    const std::size_t first = (static_cast<std::size_t>(f) * channels.count + i) * taps;
    const int c = channels.first + i;
    add_channel(sums, input, window, &integers.weights[first], c, integers.pad_codes[c], y, x);
  }
  return sums;
}

std::int32_t window_maximum(const CodeTensor& input, const Window& window, int channel, int y, int x) {
  std::int32_t largest = 0;  // codes are unsigned: nothing is smaller, so padding never wins
  for (int i = 0; i < window.height; ++i) {
    for (int j = 0; j < window.width; ++j) {
      largest = std::max(largest, code_at(input, channel, window.row(y, i), window.column(x, j), 0));
    }
  }
  return largest;
}

std::int64_t window_sum(const CodeTensor& input, const Window& window, int channel, std::int32_t pad, int y,
                        int x) {
  std::int64_t sum = 0;
  for (int i = 0; i < window.height; ++i) {
    for (int j = 0; j < window.width; ++j) {
      sum += code_at(input, channel, window.row(y, i), window.column(x, j), pad);
    }
  }
  return sum;
}

CodeTensor empty_tensor(const Shape& shape, int bits) {
  return {shape, bits, std::vector<std::int32_t>(static_cast<std::size_t>(shape.elements()))};
}

/// A tensor whose code at (channel, row, column) is `code_of(channel, row, column)`.
template <typename CodeOf>
CodeTensor filled_tensor(const Shape& shape, int bits, const CodeOf& code_of) {
  CodeTensor tensor = empty_tensor(shape, bits);
  for (int c = 0; c < shape.channels; ++c) {
    for (int y = 0; y < shape.height; ++y) {
      for (int x = 0; x < shape.width; ++x) tensor.codes[index_of(shape, c, y, x)] = code_of(c, y, x);
    }
  }
  return tensor;
}

}  // namespace

CodeTensor golden_weight_layer(const Network& network, const Layer& layer, const QuantizedLayer& integers,
                               const CodeTensor& input, int output_bits) {
  const Window window = layer_window(network, layer);
  return filled_tensor(network.output_shape(layer), output_bits, [&](int f, int y, int x) {
    const FilterChannels channels{network.first_channel(layer, f), network.filter_channels(layer)};
    const Sums sums = filter_sums(channels, window, integers, input, f, y, x);
    const std::int64_t d = corrected_dot(sums.acc, sums.rowsum, integers.weight_bits);
    const Requantization& r = integers.requantization[f];
    if (integers.negative.empty()) return requantize(d, r, integers.range);
    return requantize_leaky(d, r, integers.negative[f], integers.range);
  });
}

CodeTensor golden_max_pool(const Network& network, const Layer& layer, const CodeTensor& input) {
  const Window window = layer_window(network, layer);
  return filled_tensor(network.output_shape(layer), input.bits,
                       [&](int c, int y, int x) { return window_maximum(input, window, c, y, x); });
}

CodeTensor golden_average_pool(const Network& network, const Layer& layer, const QuantizedLayer& integers,
                               const CodeTensor& input, int output_bits) {
  const Window window = layer_window(network, layer);
  const std::vector<int> counts = counted_taps(network, layer);
  return filled_tensor(network.output_shape(layer), output_bits, [&](int c, int y, int x) {
    const std::int64_t sum = window_sum(input, window, c, integers.pad_codes[c], y, x);
    const auto set = std::find(counts.begin(), counts.end(), counted_taps(layer, input.shape, y, x));
    return requantize(sum, integers.requantization[static_cast<std::size_t>(set - counts.begin())],
                      integers.range);
  });
}

CodeTensor golden_add(const QuantizedLayer& integers, const CodeTensor& first, const CodeTensor& second,
                      int output_bits) {
  const Requantization& r = integers.requantization[0];
  const std::int64_t second_multiplier = integers.requantization[1].multiplier;
  CodeTensor output = empty_tensor(first.shape, output_bits);
  for (std::size_t i = 0; i < output.codes.size(); ++i) {
    // The second product takes the place of a bias: one definition of shift, zero point and clamp.
    Requantization with_second = r;
    with_second.bias += second.codes[i] * second_multiplier;
    output.codes[i] = requantize(first.codes[i], with_second, integers.range);
  }
  return output;
}

CodeTensor golden_function(const QuantizedLayer& integers, const CodeTensor& input, int output_bits) {
  CodeTensor output = empty_tensor(input.shape, output_bits);
  std::transform(input.codes.begin(), input.codes.end(), output.codes.begin(),
                 [&](std::int32_t code) { return integers.table[static_cast<std::size_t>(code)]; });
  return output;
}

CodeTensor golden_product(const Network& network, const Layer& layer, const QuantizedLayer& integers,
                          const CodeTensor& first, const CodeTensor& vector, int output_bits) {
  const auto zero = [&](int input) { return network.tensors[layer.inputs[input]].is_signed ? 128 : 0; };
  return filled_tensor(first.shape, output_bits, [&](int c, int y, int x) {
    const std::int64_t d = std::int64_t{first.codes[index_of(first.shape, c, y, x)] - zero(0)} *
                           (vector.codes[static_cast<std::size_t>(c)] - zero(1));
    return requantize(d, integers.requantization.front(), integers.range);
  });
}

CodeTensor golden_concat(std::span<const CodeTensor* const> inputs) {
  CodeTensor output = *inputs.front();
  for (const CodeTensor* input : inputs.subspan(1)) {
    output.shape.channels += input->shape.channels;
    output.codes.insert(output.codes.end(), input->codes.begin(), input->codes.end());
  }
  return output;
}

CodeTensor golden_interleave(std::span<const CodeTensor* const> inputs, const Steps& steps) {
  const CodeTensor& first = *inputs.front();
  const Shape shape{first.shape.channels, first.shape.height * steps.y, first.shape.width * steps.x};
  return filled_tensor(shape, first.bits, [&](int c, int y, int x) {
    const auto part = static_cast<std::size_t>(y % steps.y * steps.x + x % steps.x);
    return inputs[part]->codes[index_of(first.shape, c, y / steps.y, x / steps.x)];
  });
}

CodeTensor golden_upsample(const CodeTensor& input, const Steps& factor) {
  const Shape shape{input.shape.channels, input.shape.height * factor.y, input.shape.width * factor.x};
  return filled_tensor(shape, input.bits, [&](int c, int y, int x) {
    return input.codes[index_of(input.shape, c, y / factor.y, x / factor.x)];
  });
}

CodeTensor golden_select(const CodeTensor& input, std::span<const int> channels) {
  const Shape shape{static_cast<int>(channels.size()), input.shape.height, input.shape.width};
  return filled_tensor(shape, input.bits, [&](int c, int y, int x) {
    return input.codes[index_of(input.shape, channels[static_cast<std::size_t>(c)], y, x)];
  });
}

CodeTensor golden_narrow(const Narrowing& narrowing, const CodeTensor& wide, int bits) {
  CodeTensor output = empty_tensor(wide.shape, bits);
  std::transform(wide.codes.begin(), wide.codes.end(), output.codes.begin(), [&](std::int32_t code) {
    return requantize(code, narrowing.requantization, narrowing.range);
  });
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

namespace {

/// What a layer writes.
CodeTensor run_layer(const QuantizedNetwork& network, std::size_t index, const TensorCodes& tensors) {
  const Network& graph = network.network;
  const Layer& layer = graph.layers[index];
  const QuantizedLayer& integers = network.layers[index];
  const CodeTensor& input = tensors.read(network.bits, layer, layer.input());
  const int output_bits = network.bits.written[layer.output];
  switch (layer.kind) {
    case LayerKind::conv:
    case LayerKind::depthwise:
    case LayerKind::linear:
      return golden_weight_layer(graph, layer, integers, input, output_bits);
    case LayerKind::add:
      return golden_add(integers, input, tensors.written[layer.inputs[1]], output_bits);
    case LayerKind::max_pool:
      return golden_max_pool(graph, layer, input);
    case LayerKind::average_pool:
      return golden_average_pool(graph, layer, integers, input, output_bits);
    case LayerKind::concat:
    case LayerKind::interleave: {
      std::vector<const CodeTensor*> inputs;
      for (const int tensor : layer.inputs) inputs.push_back(&tensors.read(network.bits, layer, tensor));
      return layer.kind == LayerKind::concat ? golden_concat(inputs)
                                             : golden_interleave(inputs, layer.stride);
    }
    case LayerKind::product:
      return golden_product(graph, layer, integers, input, tensors.written[layer.inputs[1]], output_bits);
    case LayerKind::function:
      return golden_function(integers, input, output_bits);
    case LayerKind::upsample:
      return golden_upsample(input, layer.stride);
    case LayerKind::select:
      return golden_select(input, layer.channels);
  }
  throw Error(fmt::format("layer {} is of an unknown kind", layer.name));
}

}  // namespace

TensorCodes golden_run(const QuantizedNetwork& network, std::span<const std::uint8_t> hwc_image) {
  const Network& graph = network.network;
  TensorCodes tensors{std::vector<CodeTensor>(graph.tensors.size()),
                      std::vector<CodeTensor>(graph.tensors.size())};
  const auto keep = [&](int tensor, CodeTensor codes) {
    const int narrow = network.bits.narrow[tensor];
    if (narrow != 0) tensors.narrow[tensor] = golden_narrow(network.narrowing[tensor], codes, narrow);
    tensors.written[tensor] = std::move(codes);
  };
  keep(graph.input,
       input_codes(graph.tensors[graph.input].shape, network.bits.written[graph.input], hwc_image));
  for (std::size_t i = 0; i < graph.layers.size(); ++i) {
    keep(graph.layers[i].output, run_layer(network, i, tensors));
  }
  return tensors;
}

}  // namespace bitloop::host
