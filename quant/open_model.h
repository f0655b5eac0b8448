#pragma once

#include <optional>
#include <string_view>

#include "quant/model/model.h"

namespace bitloop::quant {

/// What data asks of a network of the zoo.
struct ModelRequest {
  std::optional<host::Shape> image;
  std::optional<int> classes;
};

/// `--model`: a name of the zoo, or a path that ends in .onnx. An ONNX network has the image size and the
/// classes that it has: InputError, naming both, where the request says otherwise.
FloatNetwork open_model(std::string_view name_or_path, const ModelRequest& request = {});

}  // namespace bitloop::quant
