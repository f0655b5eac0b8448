#pragma once

#include <filesystem>

#include "quant/model.h"

namespace bitloop::quant {

/// Reads an ONNX file (opset 7 to 17, one image input, one result) into the project's own graph; names of
/// layers are those of their weights without ".weight", else of their nodes. Batch norms stay batch norms;
/// constants are folded, no-ops dropped; activations, paddings and biases join the layers that they belong
/// to. The first dimension of the image is the batch; all others must be fixed.
/// Throws InputError - one line: file, node, what is not supported, and what is - for anything else: a
/// cut-off or hostile file too, in bounded memory and time.
FloatNetwork import_onnx(const std::filesystem::path& path);

}  // namespace bitloop::quant
