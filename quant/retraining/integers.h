#pragma once

#include "quant/model/quantized_model.h"
#include "quant/retraining/quantized_graph.h"

namespace bitloop::quant {

/// The integers that a graph stands for, with its stored statistics: the hardware computes with them what the
/// graph computes.
QuantizedModel integers_of(const QuantizedGraph& graph);

}  // namespace bitloop::quant
