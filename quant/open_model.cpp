#include "quant/open_model.h"

#include <fmt/format.h>

#include "host/base/error.h"
#include "quant/onnx/import.h"

namespace bitloop::quant {
namespace {

/// A file's network has the sizes that it has.
void check_request(const FloatNetwork& model, std::string_view path, const ModelRequest& request) {
  const host::Shape& image = model.network.tensors.at(model.network.input).shape;
  if (request.image && !(*request.image == image))
    throw InputError(fmt::format(
        "{} takes {}x{}x{} images but is asked for {}x{}x{}: choose another file or data of its size", path,
        image.channels, image.height, image.width, request.image->channels, request.image->height,
        request.image->width));
  const long classes = model.network.tensors.at(model.network.output()).shape.elements();
  if (request.classes && *request.classes != classes)
    throw InputError(
        fmt::format("{} has {} outputs but is asked for {} classes: choose another file or other data", path,
                    classes, *request.classes));
}

}  // namespace

FloatNetwork open_model(std::string_view name_or_path, const ModelRequest& request) {
  if (name_or_path.ends_with(".onnx")) {
    FloatNetwork model = import_onnx(name_or_path);
    check_request(model, name_or_path, request);
    return model;
  }
  FloatNetwork model;
  model.network = host::zoo_network(name_or_path, request.image, request.classes);
  return model;
}

}  // namespace bitloop::quant
