#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quant/model/model.h"

namespace bitloop::quant {

/// What data asks of a network, and where a file's network ends.
struct ModelRequest {
  std::optional<host::Shape> image = {};
  std::optional<int> classes = {};
  std::vector<std::string> outputs = {};  ///< names in the file; empty: its own results
};

/// `--model`: a name of the zoo, or a path that ends in .onnx. An ONNX network has the image size
/// (where the file leaves it free, the one that is asked for) and the classes that it has: InputError, naming
/// both, where the request says otherwise.
FloatNetwork open_model(std::string_view name_or_path, const ModelRequest& request = {});

/// Copies an .onnx file; what it keeps in other files lies in the copy itself. Throws InputError where it
/// cannot be read.
void copy_model(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace bitloop::quant
