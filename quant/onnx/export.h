#pragma once

#include <filesystem>

#include "quant/model/quantized_model.h"

namespace bitloop::quant {

/// Writes the network with its policy as ONNX with QONNX `Quant` and `BipolarQuant` nodes (domain
/// `qonnx.custom_op.general`), the form that FINN and hls4ml read: floats that compute what the integers
/// compute, but for rounding at ties. To a temporary name, then renamed.
///
/// The input is [1, channels, height, width] with (pixel - zero pixel) / 255, the zero pixel being
/// round(255 * mean) of its channel: then zeros pad as the hardware pads. Deviations are in the weights.
/// Weights of 1 bit are BipolarQuant, of 2 bits a 3-bit Quant at half the scale; each layer with weights is
/// followed by a BatchNormalization (its multiplier, shift and bias) and its activation, and each tensor by
/// the Quant of its width; a narrow form is a second Quant. Results of 32 bits are not rounded. Metadata:
/// `bitloop.policy` (JSON, with the true widths), `bitloop.quantizer`, `bitloop.mean` and `bitloop.deviation`
/// (of pixel/255, that give this file's input), `bitloop.training_mean` and `bitloop.training_deviation`
/// (those that the network was trained with). Throws InputError where the model has no scales, or integers
/// that no such graph has.
void export_onnx(const QuantizedModel& model, const std::filesystem::path& path);

}  // namespace bitloop::quant
