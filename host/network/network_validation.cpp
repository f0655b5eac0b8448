#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "host/base/error.h"
#include "host/network/function.h"
#include "host/network/network.h"

namespace bitloop::host {
namespace {

constexpr int kLargestSide = 65535;        // 16-bit descriptor fields
constexpr int kLargestChannels = 1 << 20;  // 65535 blocks would not fit in 32-bit offsets
constexpr long kLargestElements = 1L << 31;
constexpr int kLargestStep = 255;          // stride, pad
constexpr std::size_t kMostInputs = 1000;  // of a concat

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

void check_limits(const Network& network, const Tensor& tensor) {
  for (const Limits& limits : {tensor.limits, tensor.narrow_limits}) {
    if (limits.low < limits.high && limits.step >= 0 && std::isfinite(limits.step)) continue;
    throw InputError(fmt::format("network {}: tensor {} is limited to {}..{}, which leaves no two values",
                                 network.name, tensor.name, limits.low, limits.high));
  }
}

void check_arity(const Network& network, const Layer& layer) {
  const std::size_t inputs = layer.inputs.size();
  switch (layer.kind) {
    case LayerKind::product:
      if (inputs != 2) refuse(network, layer, fmt::format("a product has 2 inputs, not {}", inputs));
      return;
    case LayerKind::add:
      if (inputs != 2) refuse(network, layer, fmt::format("an add has 2 inputs, not {}", inputs));
      return;
    case LayerKind::concat:
      if (inputs < 2 || inputs > kMostInputs) {
        refuse(network, layer, fmt::format("a concat has 2..{} inputs, not {}", kMostInputs, inputs));
      }
      return;
    case LayerKind::interleave:
      if (inputs > kMostInputs || static_cast<long>(inputs) != long{layer.stride.y} * layer.stride.x) {
        refuse(network, layer,
               fmt::format("an interleave of {}x{} positions has as many inputs, at most {}, not {}",
                           layer.stride.y, layer.stride.x, kMostInputs, inputs));
      }
      return;
    default:
      if (inputs != 1) refuse(network, layer, fmt::format("it must have 1 input, not {}", inputs));
  }
}

/// Only layers with an affine part have an activation; the slope below zero needs multipliers of its own,
/// which an add has not.
void check_activation(const Network& network, const Layer& layer) {
  const bool add = layer.kind == LayerKind::add;
  if (layer.activation != Activation::none && !layer.has_weights() && !add) {
    refuse(network, layer, "an activation can follow an add or a layer with weights only");
  }
  if (layer.activation == Activation::leaky_relu && add) {
    refuse(network, layer, "an add cannot have a leaky ReLU; use a ReLU or none");
  }
  const std::size_t slopes = layer.negative_slopes.size();
  const auto filters = static_cast<std::size_t>(network.output_shape(layer).channels);
  if (layer.activation == Activation::leaky_relu && slopes != 1 && slopes != filters) {
    refuse(network, layer,
           fmt::format("{} slopes for {} filters; give one, or one per filter", slopes, filters));
  }
}

void check_function(const Network& network, const Layer& layer) {
  if (layer.kind != LayerKind::function) return;
  try {
    const Function function(layer.function);
  } catch (const InputError& error) {
    refuse(network, layer, error.what());
  }
}

/// Groups of a convolution, filters of a depthwise layer's channels, channels of a select.
void check_channels(const Network& network, const Layer& layer) {
  const int channels = network.input_shape(layer).channels;
  const int filters = network.output_shape(layer).channels;
  if (layer.groups < 1 || (layer.groups != 1 && layer.kind != LayerKind::conv)) {
    refuse(network, layer, fmt::format("it has {} groups; only a conv can have more than one", layer.groups));
  }
  if (channels % layer.groups != 0 || filters % layer.groups != 0) {
    refuse(network, layer,
           fmt::format("its {} channels and {} filters do not fall into {} equal groups", channels, filters,
                       layer.groups));
  }
  if (layer.kind == LayerKind::depthwise && filters % channels != 0) {
    refuse(network, layer,
           fmt::format("{} filters are no multiple of its {} channels, of which each has equally many",
                       filters, channels));
  }
  if (layer.channels.empty() == (layer.kind == LayerKind::select)) {
    refuse(network, layer, "a select names the channels that it gives, and no other layer does");
  }
  std::vector<bool> given(static_cast<std::size_t>(channels), false);
  for (const int channel : layer.channels) {
    if (channel < 0 || channel >= channels || given[static_cast<std::size_t>(channel)]) {
      refuse(network, layer,
             fmt::format("it gives channel {}; it can give each of 0..{} once", channel, channels - 1));
    }
    given[static_cast<std::size_t>(channel)] = true;
  }
}

bool is_pool(const Layer& layer) {
  return layer.kind == LayerKind::max_pool || layer.kind == LayerKind::average_pool;
}

bool within(const Padding& pad, int low, int high) {
  const auto [least, most] = std::minmax({pad.top, pad.left, pad.bottom, pad.right});
  return least >= low && most <= high;
}

bool covers(const Padding& pad, const Padding& part) {
  return part.top <= pad.top && part.left <= pad.left && part.bottom <= pad.bottom && part.right <= pad.right;
}

/// Stride, dilation and kernel in one direction.
void check_steps(const Network& network, const Layer& layer, int kernel, int stride, int dilation) {
  if (kernel < 1 || stride < 1 || dilation < 1) {
    refuse(network, layer, "kernel, stride and dilation must be at least 1 and pad at least 0");
  }
  if (stride > kLargestStep || dilation > kLargestStep) {
    refuse(network, layer, fmt::format("stride, dilation and pad must be at most {}", kLargestStep));
  }
}

void check_window(const Network& network, const Layer& layer) {
  const Window window = layer_window(network, layer);
  check_steps(network, layer, window.height, layer.stride.y, layer.dilation.y);
  check_steps(network, layer, window.width, layer.stride.x, layer.dilation.x);
  if (!within(window.pad, 0, kLargestStep)) {
    refuse(network, layer, fmt::format("pad must be 0..{}", kLargestStep));
  }
  if (layer.uncounted.any() && layer.kind != LayerKind::average_pool) {
    refuse(network, layer, "only an average pool can leave padding out of its count");
  }
  if (!within(layer.uncounted, 0, kLargestStep) || !covers(window.pad, layer.uncounted)) {
    refuse(network, layer, "it leaves out more padding than it has");
  }
  if (layer.kind == LayerKind::average_pool && layer.dilation != Steps(1)) {
    refuse(network, layer, "an average pool cannot be dilated");
  }
}

/// A pool's window needs something to choose from, or to count: of the padding alone it has nothing. Windows
/// at the ends reach furthest into the padding.
void check_pool(const Network& network, const Layer& layer) {
  if (!is_pool(layer)) return;
  const Shape& in = network.input_shape(layer);
  const Shape& out = network.output_shape(layer);
  const Window w = layer.window();
  const bool is_max = layer.kind == LayerKind::max_pool;
  /// Whether a window at `start` with taps `dilation` apart has one in [0, size) before `limit`.
  const auto reaches = [](int start, int kernel, int dilation, int size) {
    const int first = start >= 0 ? 0 : (-start + dilation - 1) / dilation;
    return first < kernel && start + first * dilation < size;
  };
  for (const int y : {0, out.height - 1}) {
    for (const int x : {0, out.width - 1}) {
      const bool inside = reaches(w.row(y, 0), w.height, w.dilation.y, in.height) &&
                          reaches(w.column(x, 0), w.width, w.dilation.x, in.width);
      if (is_max ? !inside : counted_taps(layer, in, y, x) == 0) {
        refuse(network, layer, "a pooling window would lie in the padding only; use a smaller pad");
      }
    }
  }
}

/// The shape that a layer gives to its output; `free_channels` are those of a layer that chooses them.
Shape result_shape(const Network& network, const Layer& layer, int free_channels) {
  const Shape& in = network.input_shape(layer);
  switch (layer.kind) {
    case LayerKind::add:
    case LayerKind::function:
    case LayerKind::product:
      return in;
    case LayerKind::concat: {
      Shape sum = in;
      sum.channels = 0;
      for (const int input : layer.inputs) sum.channels += network.tensors[input].shape.channels;
      return sum;
    }
    case LayerKind::upsample:
    case LayerKind::interleave:
      return {in.channels, in.height * layer.stride.y, in.width * layer.stride.x};
    case LayerKind::select:
      return {static_cast<int>(layer.channels.size()), in.height, in.width};
    default: {
      const bool free = layer.has_weights();
      Shape result = layer_window(network, layer).over(in);
      if (free) result.channels = free_channels;
      return result;
    }
  }
}

void check_shapes(const Network& network, const Layer& layer) {
  const Shape& first = network.input_shape(layer);
  for (const int input : layer.inputs) {
    const Shape& other = network.tensors[input].shape;
    const bool vector = layer.kind == LayerKind::product && input == layer.inputs.back();
    const bool sizes =
        other.height == (vector ? 1 : first.height) && other.width == (vector ? 1 : first.width);
    const bool fits = sizes && (layer.kind == LayerKind::concat || other.channels == first.channels);
    if (!fits) {
      refuse(network, layer,
             fmt::format("its inputs {} ({}x{}x{}) and {} ({}x{}x{}) do not fit together",
                         network.tensors[layer.input()].name, first.channels, first.height, first.width,
                         network.tensors[input].name, other.channels, other.height, other.width));
    }
  }
  const Shape& out = network.output_shape(layer);
  const Shape result = result_shape(network, layer, out.channels);
  if (result.height < 1 || result.width < 1) {
    refuse(network, layer, "the kernel is larger than the padded input");
  }
  if (out != result) {
    refuse(
        network, layer,
        fmt::format("its output is {}x{}x{} but the tensor {} has {}x{}x{}", result.channels, result.height,
                    result.width, network.tensors[layer.output].name, out.channels, out.height, out.width));
  }
}

void check_signedness(const Network& network, const Layer& layer) {
  if (!layer.keeps_codes()) return;
  const Tensor& out = network.tensors[layer.output];
  for (const int input : layer.inputs) {
    if (network.tensors[input].is_signed != out.is_signed) {
      refuse(network, layer,
             fmt::format("it keeps codes, so its input {} and its output {} must both be signed or unsigned",
                         network.tensors[input].name, out.name));
    }
  }
}

/// What a layer may read and write besides shapes.
void check_ends(const Network& network, const Layer& layer) {
  for (const int input : layer.inputs) {
    if (network.is_output(input)) {
      refuse(network, layer,
             fmt::format("it reads {}, a result of the network; nothing may", network.tensors[input].name));
    }
    if (network.image_input && input == network.input && layer.kind != LayerKind::conv) {
      refuse(network, layer, "only conv layers can read the image");
    }
  }
  if (!network.is_output(layer.output)) return;
  // 32-bit results come from the dot-product array alone.
  const bool sums = layer.kind == LayerKind::conv || layer.kind == LayerKind::linear;
  if (network.output_bits == 32 && !sums) {
    refuse(network, layer,
           "a 32-bit result of the network must be written by a conv or linear layer; with output_bits of at "
           "most 8 it may be of any layer that requantizes");
  }
  if (layer.keeps_codes()) {
    refuse(network, layer, "a result of the network must be written by a layer that requantizes, not kept");
  }
  if (network.output_bits == 1 && network.tensors[layer.output].is_signed) {
    refuse(network, layer, "a signed result of the network has at least 2 bits");
  }
}

void check_output_bits(const Network& network) {
  constexpr int kLegal[] = {0, 1, 2, 4, 8, 32};
  if (std::find(std::begin(kLegal), std::end(kLegal), network.output_bits) != std::end(kLegal)) return;
  throw InputError(fmt::format("network {}: output_bits {} must be 1, 2, 4, 8 or 32, or 0 for the input's",
                               network.name, network.output_bits));
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

void Network::validate() const {
  const auto known = [&](int tensor) { return tensor >= 0 && tensor < static_cast<int>(tensors.size()); };
  if (layers.empty()) throw InputError(fmt::format("network {} has no layers", name));
  if (!known(input) || outputs.empty() || !std::all_of(outputs.begin(), outputs.end(), known)) {
    throw InputError(fmt::format("network {}: input or output names no tensor", name));
  }
  check_output_bits(*this);
  check_names(*this);
  for (const Tensor& tensor : tensors) {
    check_shape(*this, tensor);
    check_limits(*this, tensor);
  }
  std::vector<bool> written(tensors.size(), false);
  written[input] = true;
  for (const Layer& layer : layers) {
    check_arity(*this, layer);
    if (!known(layer.output) || !std::all_of(layer.inputs.begin(), layer.inputs.end(), known)) {
      refuse(*this, layer, "input or output names no tensor");
    }
    for (const int tensor : layer.inputs) {
      if (!written[tensor]) refuse(*this, layer, "it reads a tensor that no earlier layer writes");
    }
    if (written[layer.output]) refuse(*this, layer, "it writes a tensor that is already written");
    check_activation(*this, layer);
    check_channels(*this, layer);
    check_function(*this, layer);
    check_window(*this, layer);
    check_shapes(*this, layer);
    check_pool(*this, layer);
    check_signedness(*this, layer);
    check_ends(*this, layer);
    written[layer.output] = true;
  }
  for (const int output : outputs) {
    if (!written[output] || output == input) {
      throw InputError(fmt::format("network {}: no layer writes its output {}", name, tensors[output].name));
    }
  }
}

}  // namespace bitloop::host
