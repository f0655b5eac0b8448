#include "quant/geometry.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>

#include "host/error.h"
#include "quant/hash.h"

namespace bitloop::quant {
namespace {

using host::LayerKind;

constexpr LayerKind kKinds[] = {LayerKind::conv,      LayerKind::linear,  LayerKind::max_pool,
                                LayerKind::depthwise, LayerKind::add,     LayerKind::average_pool,
                                LayerKind::concat,    LayerKind::upsample};

/// What keeps a layer from being trained; empty: nothing.
std::string_view obstacle(const host::Layer& layer) {
  switch (layer.kind) {
    case LayerKind::depthwise:
      return "a depthwise convolution";
    case LayerKind::add:
      return "an add";
    case LayerKind::average_pool:
      return "an average pool";
    case LayerKind::concat:
      return "a concat";
    case LayerKind::upsample:
      return "an upsampling";
    default:
      break;
  }
  if (layer.activation == host::Activation::leaky_relu) return "a leaky ReLU";
  if (layer.padding_end() != layer.pad) return "a padding that differs before and after";
  return {};
}

}  // namespace

void require_trainable(const host::Network& network) {
  for (const host::Layer& layer : network.layers) {
    const std::string_view what = obstacle(layer);
    if (what.empty()) continue;
    throw InputError(fmt::format(
        "network {}: layer {}: {} cannot be trained or quantized yet, only measured; choose a network "
        "of convolutions, linear layers and max pools",
        network.name, layer.name, what));
  }
  if (network.outputs.size() != 1) {
    throw InputError(
        fmt::format("network {}: with {} results it cannot be trained or quantized yet, only measured; "
                    "choose a classifier",
                    network.name, network.outputs.size()));
  }
}

host::Network trainable_zoo_network(std::string_view name) {
  host::Network network = host::zoo_network(name);
  require_trainable(network);
  return network;
}

int kind_number(LayerKind kind) {
  return static_cast<int>(std::ranges::find(kKinds, kind) - std::begin(kKinds));
}

LayerKind kind_of_number(int number) {
  if (number < 0 || number >= static_cast<int>(std::size(kKinds)))
    throw InputError(fmt::format("{} stands for no kind of layer", number));
  return kKinds[number];
}

std::string geometry_hash(const host::Network& network) {
  Sha256 hash;
  hash.add(fmt::format("{} {} {} {} {}", network.name, network.input, fmt::join(network.outputs, ","),
                       network.image_input, network.output_bits));
  for (const host::Tensor& t : network.tensors)
    hash.add(
        fmt::format(";{} {}x{}x{} {}", t.name, t.shape.channels, t.shape.height, t.shape.width, t.is_signed));
  for (const host::Layer& l : network.layers) {
    hash.add(fmt::format(";{} {} {}>{} {}x{} {} {} {} {}", l.name, kind_number(l.kind),
                         fmt::join(l.inputs, ","), l.output, l.kernel_height, l.kernel_width, l.stride, l.pad,
                         static_cast<int>(l.activation), l.batch_norm));
    if (l.padding_end() != l.pad) hash.add(fmt::format(" end {}", l.padding_end()));
    if (l.activation == host::Activation::leaky_relu) hash.add(fmt::format(" leaky {}", l.negative_slope));
  }
  return hash.hex();
}

}  // namespace bitloop::quant
