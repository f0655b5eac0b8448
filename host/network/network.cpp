#include "host/network/network.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <set>

#include "host/network/function.h"

namespace bitloop::host {

Window layer_window(const Network& network, const Layer& layer) {
  if (layer.kind == LayerKind::linear) {
    const Shape& in = network.input_shape(layer);
    return {in.height, in.width, {}, {}, {}};
  }
  switch (layer.kind) {
    case LayerKind::add:
    case LayerKind::concat:
    case LayerKind::upsample:
    case LayerKind::interleave:
    case LayerKind::select:
    case LayerKind::function:
    case LayerKind::product:
      return {};
    default:
      return layer.window();
  }
}

Limits Limits::then(const Limits& next) const {
  return {std::clamp(low, next.low, next.high), std::clamp(high, next.low, next.high),
          next.step != 0 ? next.step : step};
}

Limits Network::result_limits(const Layer& layer) const {
  Limits of_activation;
  if (layer.activation == Activation::relu || layer.activation == Activation::relu6) of_activation.low = 0;
  if (layer.activation == Activation::relu6) of_activation.high = 6;
  return of_activation.then(tensors.at(layer.output).limits);
}

bool Network::is_output(int tensor) const {
  return std::find(outputs.begin(), outputs.end(), tensor) != outputs.end();
}

long Network::weight_count(const Layer& layer) const {
  if (!layer.has_weights()) return 0;
  const Window window = layer_window(*this, layer);
  return static_cast<long>(output_shape(layer).channels) * filter_channels(layer) * window.height *
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

namespace {

/// Windows of `span` that fit in one direction.
int positions(int size, int span, int stride) { return size < span ? 0 : (size - span) / stride + 1; }

/// Taps of the window at `start` that lie in [begin, end).
int taps_within(int start, int kernel, int begin, int end) {
  return std::max(0, std::min(start + kernel, end) - std::max(start, begin));
}

}  // namespace

Shape Window::over(const Shape& input) const {
  return {input.channels, positions(input.height + pad.top + pad.bottom, span_height(), stride.y),
          positions(input.width + pad.left + pad.right, span_width(), stride.x)};
}

int counted_taps(const Layer& layer, const Shape& input, int y, int x) {
  const Window w = layer.window();
  const Padding& out = layer.uncounted;
  return taps_within(w.row(y, 0), w.height, out.top - w.pad.top, input.height + w.pad.bottom - out.bottom) *
         taps_within(w.column(x, 0), w.width, out.left - w.pad.left, input.width + w.pad.right - out.right);
}

std::vector<int> counted_taps(const Network& network, const Layer& layer) {
  if (!layer.uncounted.any()) return {layer_window(network, layer).taps()};
  const Shape& out = network.output_shape(layer);
  std::set<int, std::greater<>> counts;
  for (int y = 0; y < out.height; ++y) {
    for (int x = 0; x < out.width; ++x) counts.insert(counted_taps(layer, network.input_shape(layer), y, x));
  }
  return {counts.begin(), counts.end()};
}

std::vector<int> width_classes(const Network& network) {
  std::vector<int> first(network.tensors.size());
  std::iota(first.begin(), first.end(), 0);
  for (const Layer& layer : network.layers) {
    if (!layer.keeps_codes()) continue;
    for (const int input : layer.inputs) {
      const int kept = std::min(first[input], first[layer.output]);
      const int joined = std::max(first[input], first[layer.output]);
      std::replace(first.begin(), first.end(), joined, kept);
    }
  }
  return first;
}

void derive_signedness(Network& network) {
  const std::vector<int> classes = width_classes(network);
  const auto fixed = [&](int tensor) {
    return (network.image_input && tensor == network.input) ||
           (network.output_bits == 32 && network.is_output(tensor));
  };
  std::vector<bool> is_signed(network.tensors.size(), false);  // per class
  is_signed[classes[network.input]] = !network.image_input && network.tensors[network.input].is_signed;
  for (const Layer& layer : network.layers) {
    const bool affine = layer.has_weights() || layer.kind == LayerKind::add;
    const bool makes_codes = affine || layer.kind == LayerKind::function;
    const bool below = makes_codes && network.result_limits(layer).low < 0 &&
                       (affine || Function(layer.function).has_negative_results());
    if (below && !fixed(layer.output)) is_signed[classes[layer.output]] = true;
  }
  // An average pool's or product's input may have become signed by a later layer of its class.
  for (bool changed = true; changed;) {
    changed = false;
    for (const Layer& layer : network.layers) {
      if (layer.kind != LayerKind::average_pool && layer.kind != LayerKind::product) continue;
      const bool from_signed = std::any_of(layer.inputs.begin(), layer.inputs.end(),
                                           [&](int input) { return is_signed[classes[input]]; });
      if (!from_signed || is_signed[classes[layer.output]] || fixed(layer.output)) continue;
      if (network.result_limits(layer).low >= 0) continue;
      is_signed[classes[layer.output]] = changed = true;
    }
  }
  for (std::size_t i = 0; i < network.tensors.size(); ++i) {
    network.tensors[i].is_signed = is_signed[classes[i]] && !fixed(static_cast<int>(i));
  }
}

}  // namespace bitloop::host
