#include "quant/onnx/write_weights.h"

#include <algorithm>

namespace bitloop::quant {

std::string write_weights(GraphWriter& writer, const host::Network& network, const host::Layer& layer,
                          const host::QuantizedLayer& integers, const std::vector<float>& scales) {
  const auto filters = static_cast<std::int64_t>(scales.size());
  const std::int64_t each = static_cast<std::int64_t>(integers.weights.size()) / filters;
  const bool vector = layer.kind == host::LayerKind::linear;
  const host::WeightCode code = host::weight_code(integers.weight_bits);
  std::vector<float> values(integers.weights.size());
  int lowest = 0;
  for (std::int64_t f = 0; f < filters; ++f)
    for (std::int64_t i = 0; i < each; ++i) {
      const int value = code.alpha * integers.weights[f * each + i] - code.beta;
      lowest = std::min(lowest, value);
      values[vector ? i * filters + f : f * each + i] = static_cast<float>(value) * scales[f];
    }
  const std::string name = layer.name + ".weight";
  const std::int64_t channels = network.filter_channels(layer);
  using Dims = std::vector<std::int64_t>;
  const std::string weight = writer.floats(
      name, vector ? Dims{each, filters} : Dims{filters, channels, layer.kernel_height, layer.kernel_width},
      values);
  const std::string scale =
      writer.floats(name + "/scale", vector ? Dims{1, filters} : Dims{filters, 1, 1, 1}, scales);
  if (integers.weight_bits == 1) return writer.bipolar_quant(name + "/quantized", weight, scale);
  // -3, -1, 1, 3 are odd integers of 3 bits.
  const int bits = integers.weight_bits == 2 ? 3 : integers.weight_bits;
  return writer.quant(name + "/quantized", weight, scale, writer.scalar(name + "/zero", 0), bits, true,
                      /*narrow=*/lowest > -(1 << (bits - 1)));
}

}  // namespace bitloop::quant
