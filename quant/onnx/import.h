#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "quant/model/model.h"

namespace bitloop::quant {

/// What a file leaves open, or is cut to.
struct ImportOptions {
  std::optional<host::Shape> image = {};  ///< sizes of the input that the file leaves free
  std::vector<std::string> outputs = {};  ///< names in the file that end the network; empty: its own results
};

/// Reads an ONNX file (operator sets 7 to 22, one input, one or more results) into the project's own graph;
/// names of layers are those of their weights without ".weight", else of their nodes. Batch norms stay batch
/// norms; constants are folded, quantizers of weights evaluated, clips and quantizers of tensors become their
/// limits, no-ops are dropped; activations, paddings, biases and factors join the layers that they belong to,
/// else become depthwise layers. The first dimension of the input is the batch. Mean and deviation come from
/// the metadata `bitloop.mean` and `bitloop.deviation` (numbers with commas between them), and from bytes as
/// input. Results that no conv or linear layer writes have 8 bits. Throws InputError - one line: file, every
/// kind of node that is not supported, and what is - for anything else: a cut-off or hostile file too, in
/// memory in proportion to the file and bounded time.
FloatNetwork import_onnx(const std::filesystem::path& path, const ImportOptions& options = {});

/// Writes the file again, with the tensors in it that it keeps in other files. Throws InputError as
/// import_onnx does for a file that cannot be read.
void copy_onnx(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace bitloop::quant
