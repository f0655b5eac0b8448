#include "host/network.h"

#include <fmt/format.h>

#include <algorithm>

#include "host/error.h"

namespace bitloop::host {
namespace {

constexpr int kLargestSide = 65535;        // 16-bit descriptor fields
constexpr int kLargestChannels = 1 << 20;  // 65535 blocks would not fit in 32-bit offsets
constexpr long kLargestElements = 1L << 31;

[[noreturn]] void refuse(const Network& network, const Layer& layer, const std::string& what) {
  throw InputError(fmt::format("network {}: layer {}: {}", network.name, layer.name, what));
}

void check_shape(const Network& network, const Tensor& tensor) {
  const Shape& s = tensor.shape;
  const bool sane = s.channels >= 1 && s.height >= 1 && s.width >= 1 && s.channels <= kLargestChannels &&
                    s.height <= kLargestSide && s.width <= kLargestSide && s.elements() <= kLargestElements;
  if (!sane) {
    throw InputError(
        fmt::format("network {}: tensor {} has shape {}x{}x{}; channels must be 1..{}, height and width "
                    "1..{}, elements at most {}",
                    network.name, tensor.name, s.channels, s.height, s.width, kLargestChannels, kLargestSide,
                    kLargestElements));
  }
}

void check_window(const Network& network, const Layer& layer) {
  const Window window = layer_window(network, layer);
  if (window.height < 1 || window.width < 1 || window.stride < 1 || window.pad < 0) {
    refuse(network, layer, "kernel and stride must be at least 1 and pad at least 0");
  }
  if (window.pad >= std::max(window.height, window.width) && window.pad > 0) {
    refuse(network, layer, fmt::format("pad {} must be smaller than the kernel", window.pad));
  }
  if (layer.kind == LayerKind::max_pool && window.pad >= std::min(window.height, window.width) &&
      window.pad > 0) {
    refuse(network, layer, "a pooling window would lie in the padding only; use a smaller pad");
  }
}

void check_output_shape(const Network& network, const Layer& layer) {
  const Shape& in = network.input_shape(layer);
  const Shape& out = network.output_shape(layer);
  const Window window = layer_window(network, layer);
  const int height = window_output(in.height, window.height, window.stride, window.pad);
  const int width = window_output(in.width, window.width, window.stride, window.pad);
  if (height < 1 || width < 1) refuse(network, layer, "the kernel is larger than the padded input");
  if (out.height != height || out.width != width) {
    refuse(network, layer,
           fmt::format("its output is {}x{} but the tensor {} has {}x{}", height, width,
                       network.tensors[layer.output].name, out.height, out.width));
  }
  if (layer.kind == LayerKind::max_pool && out.channels != in.channels) {
    refuse(network, layer, "a max pool keeps the number of channels");
  }
}

void check_names(const Network& network) {
  std::vector<std::string_view> names;
  for (const Layer& layer : network.layers) names.push_back(layer.name);
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) {
    throw InputError(
        fmt::format("network {}: two layers are named {}; names must differ", network.name, *twice));
  }
}

}  // namespace

Window layer_window(const Network& network, const Layer& layer) {
  if (layer.kind == LayerKind::linear) {
    const Shape& in = network.input_shape(layer);
    return {in.height, in.width, 1, 0};
  }
  return {layer.kernel_height, layer.kernel_width, layer.stride, layer.pad};
}

long Network::weight_count(const Layer& layer) const {
  if (!layer.has_weights()) return 0;
  const Window window = layer_window(*this, layer);
  return static_cast<long>(output_shape(layer).channels) * input_shape(layer).channels * window.height *
         window.width;
}

long Network::macs(const Layer& layer) const {
  const Shape& out = output_shape(layer);
  return weight_count(layer) * out.height * out.width;
}

std::vector<const Layer*> Network::weight_layers() const {
  std::vector<const Layer*> found;
  for (const Layer& layer : layers) {
    if (layer.has_weights()) found.push_back(&layer);
  }
  return found;
}

void Network::validate() const {
  const int count = static_cast<int>(tensors.size());
  if (layers.empty()) throw InputError(fmt::format("network {} has no layers", name));
  if (input < 0 || input >= count || output < 0 || output >= count) {
    throw InputError(fmt::format("network {}: input or output names no tensor", name));
  }
  check_names(*this);
  for (const Tensor& tensor : tensors) check_shape(*this, tensor);
  std::vector<bool> written(tensors.size(), false);
  written[input] = true;
  for (const Layer& layer : layers) {
    if (layer.input < 0 || layer.input >= count || layer.output < 0 || layer.output >= count) {
      refuse(*this, layer, "input or output names no tensor");
    }
    if (!written[layer.input]) refuse(*this, layer, "it reads a tensor that no earlier layer writes");
    if (written[layer.output]) refuse(*this, layer, "it writes a tensor that is already written");
    check_window(*this, layer);
    check_output_shape(*this, layer);
    written[layer.output] = true;
  }
  if (!written[output]) throw InputError(fmt::format("network {}: no layer writes its output", name));
}

int window_output(int size, int kernel, int stride, int pad) {
  const int room = size + 2 * pad - kernel;
  return room < 0 ? 0 : room / stride + 1;
}

}  // namespace bitloop::host
