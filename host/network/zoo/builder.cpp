#include "host/network/zoo/builder.h"

#include <algorithm>

namespace bitloop::host::zoo {
namespace {

/// Rows (columns) that windows at every `stride`-th of `size` positions reach beyond them.
int missing(int size, int kernel, int stride) {
  const int windows = (size + stride - 1) / stride;
  return std::max(0, (windows - 1) * stride + kernel - size);
}

}  // namespace

NetworkBuilder::NetworkBuilder(std::string name, const Shape& image, UsualPad pad) : pad_(pad) {
  network_.name = std::move(name);
  network_.tensors.push_back({"image", image, false});
}

Padding NetworkBuilder::usual_pad(const Shape& input, const Convolution& c) const {
  if (pad_ == UsualPad::half_kernel) return {c.kernel.y / 2, c.kernel.x / 2, c.kernel.y / 2, c.kernel.x / 2};
  const int rows = missing(input.height, c.kernel.y, c.stride);
  const int columns = missing(input.width, c.kernel.x, c.stride);
  return {rows / 2, columns / 2, rows - rows / 2, columns - columns / 2};
}

Layer NetworkBuilder::convolution(const std::string& name, LayerKind kind, int input,
                                  const Convolution& c) const {
  return {.name = name,
          .kind = kind,
          .inputs = {input},
          .kernel_height = c.kernel.y,
          .kernel_width = c.kernel.x,
          .stride = c.stride,
          .pad = c.pad ? *c.pad : usual_pad(shape(input), c),
          .activation = c.activation,
          .batch_norm = c.batch_norm,
          .groups = c.groups};
}

int NetworkBuilder::conv(const std::string& name, int input, const Convolution& c) {
  return window(convolution(name, LayerKind::conv, input, c), c.filters);
}

int NetworkBuilder::depthwise(const std::string& name, int input, const Convolution& c) {
  return window(convolution(name, LayerKind::depthwise, input, c), shape(input).channels * c.filters);
}

int NetworkBuilder::linear(const std::string& name, int input, int outputs, Activation activation,
                           bool batch_norm) {
  return append({.name = name,
                 .kind = LayerKind::linear,
                 .inputs = {input},
                 .activation = activation,
                 .batch_norm = batch_norm},
                {outputs, 1, 1});
}

int NetworkBuilder::add(const std::string& name, int first, int second, Activation activation) {
  return append({.name = name, .kind = LayerKind::add, .inputs = {first, second}, .activation = activation},
                shape(first));
}

int NetworkBuilder::function(const std::string& name, int input, const std::string& words) {
  return append({.name = name, .kind = LayerKind::function, .inputs = {input}, .function = words},
                shape(input));
}

int NetworkBuilder::product(const std::string& name, int input, int vector) {
  return append({.name = name, .kind = LayerKind::product, .inputs = {input, vector}}, shape(input));
}

int NetworkBuilder::concat(const std::string& name, const std::vector<int>& inputs) {
  Shape out = shape(inputs.front());
  out.channels = 0;
  for (const int input : inputs) out.channels += shape(input).channels;
  return append({.name = name, .kind = LayerKind::concat, .inputs = inputs}, out);
}

int NetworkBuilder::select(const std::string& name, int input, const std::vector<int>& channels) {
  const Shape& in = shape(input);
  return append({.name = name, .kind = LayerKind::select, .inputs = {input}, .channels = channels},
                {static_cast<int>(channels.size()), in.height, in.width});
}

int NetworkBuilder::upsample(const std::string& name, int input, int factor) {
  const Shape& in = shape(input);
  return append({.name = name, .kind = LayerKind::upsample, .inputs = {input}, .stride = factor},
                {in.channels, in.height * factor, in.width * factor});
}

int NetworkBuilder::max_pool(const std::string& name, int input, int kernel, int stride, int pad,
                             int pad_end) {
  const int end = pad_end < 0 ? pad : pad_end;
  return window({.name = name,
                 .kind = LayerKind::max_pool,
                 .inputs = {input},
                 .kernel_height = kernel,
                 .kernel_width = kernel,
                 .stride = stride,
                 .pad = {pad, pad, end, end}},
                shape(input).channels);
}

int NetworkBuilder::global_average_pool(const std::string& name, int input) {
  const Shape& in = shape(input);
  return window({.name = name,
                 .kind = LayerKind::average_pool,
                 .inputs = {input},
                 .kernel_height = in.height,
                 .kernel_width = in.width},
                in.channels);
}

Network NetworkBuilder::finish(std::vector<int> outputs) {
  network_.outputs = std::move(outputs);
  derive_signedness(network_);
  network_.validate();
  return std::move(network_);
}

int NetworkBuilder::window(Layer layer, int channels) {
  Shape out = layer.window().over(shape(layer.input()));
  out.channels = channels;
  return append(std::move(layer), out);
}

int NetworkBuilder::append(Layer layer, const Shape& out) {
  layer.output = static_cast<int>(network_.tensors.size());
  network_.tensors.push_back({layer.name, out, false});
  network_.layers.push_back(std::move(layer));
  return network_.layers.back().output;
}

}  // namespace bitloop::host::zoo
