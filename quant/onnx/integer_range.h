#pragma once

#include <cstdint>
#include <vector>

#include "quant/onnx/constant.h"
#include "quant/onnx/node.h"

namespace bitloop::quant::importer {

/// Lowest and highest integer of a quantizer: of QuantizeLinear by its zero point's type, of QONNX Quant by
/// its width.
struct IntegerRange {
  double low = 0;
  double high = 0;
};
IntegerRange quantize_range(const Node& node, const Constant* zero_point);
IntegerRange quant_range(const Node& node, const Constant& bits);

}  // namespace bitloop::quant::importer
