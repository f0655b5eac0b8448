#pragma once

#include <string>

#include "host/network/network.h"
#include "quant/onnx/graph_writer.h"

namespace bitloop::quant {

/// Writes a function of `x`, each operation as a node of its own, but for what HardSigmoid says: an importer
/// would join its factor and offset to the layer before. Returns the result's name.
std::string write_function(GraphWriter& writer, const host::Layer& layer, const std::string& x);

}  // namespace bitloop::quant
