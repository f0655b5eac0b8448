#pragma once

#include <string>
#include <vector>

#include "host/network/quantized_network.h"
#include "quant/onnx/graph_writer.h"

namespace bitloop::quant {

/// Writes a layer's weights behind a quantizer: [filter, channel, row, column], of linear layers [input,
/// output] as MatMul reads it. `scales`: per filter. Returns the quantizer's name.
std::string write_weights(GraphWriter& writer, const host::Network& network, const host::Layer& layer,
                          const host::QuantizedLayer& integers, const std::vector<float>& scales);

}  // namespace bitloop::quant
