#pragma once

#include "quant/onnx/operators.h"

namespace bitloop::quant::importer {

/// Whether a node's windows go along a signal, [batch, channels, length].
bool reads_signal(const Node& node, const std::vector<Value>& inputs);

/// Lowers such a node by the operator's handler for images, as one whose images have one row (or column).
Value lower_on_signal(const Lowering& l, Handler handler);

}  // namespace bitloop::quant::importer
