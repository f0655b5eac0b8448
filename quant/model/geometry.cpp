#include "quant/model/geometry.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "host/base/error.h"
#include "quant/model/hash.h"

namespace bitloop::quant {
namespace {

using host::LayerKind;

std::array<int, 4> numbers(const host::Padding& pad) { return {pad.top, pad.left, pad.bottom, pad.right}; }

constexpr LayerKind kKinds[] = {LayerKind::conv,      LayerKind::linear,   LayerKind::max_pool,
                                LayerKind::depthwise, LayerKind::add,      LayerKind::average_pool,
                                LayerKind::concat,    LayerKind::upsample, LayerKind::interleave,
                                LayerKind::select,    LayerKind::function, LayerKind::product};

/// What most windows do not have: other steps and paddings than the first ones, dilation, uncounted padding.
std::string window_text(const host::Layer& l) {
  std::string text;
  const host::Padding& pad = l.pad;
  if (pad == host::Padding(pad.top, pad.top, pad.bottom, pad.bottom)) {
    if (pad.bottom != pad.top) text += fmt::format(" end {}", pad.bottom);
  } else {
    text += fmt::format(" pads {}", fmt::join(numbers(pad), ","));
  }
  if (l.stride.x != l.stride.y) text += fmt::format(" step {}", l.stride.x);
  if (l.dilation != host::Steps()) text += fmt::format(" dilation {},{}", l.dilation.y, l.dilation.x);
  if (l.uncounted.any()) text += fmt::format(" uncounted {}", fmt::join(numbers(l.uncounted), ","));
  return text;
}

}  // namespace

int class_count(const host::Network& network) {
  const long numbers = network.tensors.at(network.output()).shape.elements();
  return numbers == 1 ? 2 : static_cast<int>(numbers);
}

int result_zero(const host::QuantizedNetwork& network) {
  const int result = network.network.output(), bits = network.bits.written.at(result);
  return network.network.tensors.at(result).is_signed && bits < 32 ? 1 << (bits - 1) : 0;
}

std::vector<std::int32_t> class_codes(const host::QuantizedNetwork& network,
                                      std::vector<std::int32_t> codes) {
  const int zero = result_zero(network);
  for (std::int32_t& code : codes) code -= zero;
  if (codes.size() == 1) codes.insert(codes.begin(), 0);
  return codes;
}

void require_classifier(const host::Network& network) {
  const host::Shape& result = network.tensors.at(network.output()).shape;
  const bool one = network.outputs.size() == 1;
  if (one && result.height == 1 && result.width == 1) return;
  const std::string what =
      one ? fmt::format("a map of {}x{}x{} as its result", result.channels, result.height, result.width)
          : fmt::format("{} results", network.outputs.size());
  throw InputError(fmt::format(
      "network {}: with {} it is no classifier; it can be measured (measure), quantized and exported "
      "(export), but not trained or tested",
      network.name, what));
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
  for (const host::Tensor& t : network.tensors) {
    hash.add(
        fmt::format(";{} {}x{}x{} {}", t.name, t.shape.channels, t.shape.height, t.shape.width, t.is_signed));
    for (const host::Limits& limits : {t.limits, t.narrow_limits})
      if (limits.any()) hash.add(fmt::format(" within {} {} {}", limits.low, limits.high, limits.step));
  }
  for (const host::Layer& l : network.layers) {
    hash.add(fmt::format(";{} {} {}>{} {}x{} {} {} {} {}", l.name, kind_number(l.kind),
                         fmt::join(l.inputs, ","), l.output, l.kernel_height, l.kernel_width, l.stride.y,
                         l.pad.top, static_cast<int>(l.activation), l.batch_norm));
    hash.add(window_text(l));
    if (l.kind == LayerKind::function) hash.add(fmt::format(" function {}", l.function));
    if (l.activation == host::Activation::leaky_relu)
      hash.add(fmt::format(" leaky {}", fmt::join(l.negative_slopes, " ")));
    if (l.groups != 1) hash.add(fmt::format(" groups {}", l.groups));
    if (!l.channels.empty()) hash.add(fmt::format(" channels {}", fmt::join(l.channels, ",")));
  }
  return hash.hex();
}

}  // namespace bitloop::quant
