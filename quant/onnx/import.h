#pragma once

#include <filesystem>

#include "quant/model/model.h"

namespace bitloop::quant {

/// Reads an ONNX file (opset 7 to 17, one image input, one or more results) into the project's own graph;
/// names of layers are those of their weights without ".weight", else of their nodes. Batch norms stay batch
/// norms; constants are folded, quantizers of weights evaluated and those of tensors passed through, no-ops
/// dropped; activations, paddings and biases join the layers that they belong to. The first dimension of the
/// image is the batch; all others must be fixed. Mean and deviation come from the metadata `bitloop.mean` and
/// `bitloop.deviation` (numbers with commas between them). Results that no conv or linear layer writes have 8
/// bits.
/// Throws InputError - one line: file, node, what is not supported, and what is - for anything else: a
/// cut-off or hostile file too, in memory in proportion to the file and bounded time.
FloatNetwork import_onnx(const std::filesystem::path& path);

}  // namespace bitloop::quant
