#pragma once

#include <filesystem>

#include "quant/quantized_model.h"

namespace bitloop::quant {

/// Writes the network with its policy as ONNX with QONNX `Quant` and `BipolarQuant` nodes (domain
/// `qonnx.custom_op.general`), the form that FINN and hls4ml read: floats that compute what the integers
/// compute, but for rounding at ties. 1-bit weights are BipolarQuant, 2-bit weights a 3-bit Quant at half the
/// scale; true widths, mean, deviation and the policy are metadata. To a temporary name, then renamed.
void export_onnx(const QuantizedModel& model, const std::filesystem::path& path);

}  // namespace bitloop::quant
