#pragma once

#include <onnx/onnx_pb.h>

#include <filesystem>
#include <string>
#include <string_view>

namespace bitloop::quant::importer {

/// Parses an ONNX file. Throws InputError, naming the file, where it is absent, larger than 1 GiB, cut off,
/// no ONNX file, or would take far more memory than its weights (more than 8 MiB besides them).
onnx::ModelProto read_model(const std::filesystem::path& path);

/// A name from a file as it may stand in a one-line message: printable, at most 120 characters.
std::string printable(std::string_view text);

}  // namespace bitloop::quant::importer
