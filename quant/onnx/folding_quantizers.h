#pragma once

#include "quant/onnx/folding_node.h"

namespace bitloop::quant::importer {

// Quantizers of constants; all give multiples of `Constant::scale` but fold_quantize, which gives integers.
SharedConstant fold_dequantize(const Folding& f);
SharedConstant fold_quantize(const Folding& f);
/// QONNX's Quant.
SharedConstant fold_quant(const Folding& f);
SharedConstant fold_bipolar_quant(const Folding& f);

}  // namespace bitloop::quant::importer
