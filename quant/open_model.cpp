#include "quant/open_model.h"

#include <fmt/format.h>

#include <utility>

#include "host/base/error.h"
#include "quant/model/geometry.h"
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
  const int classes = class_count(model.network);
  if (request.classes && *request.classes != classes)
    throw InputError(
        fmt::format("{} has {} outputs but is asked for {} classes: choose another file or other data", path,
                    classes, *request.classes));
}

/// Files of training frameworks are told what to do, rather than that they are no name of the zoo.
void refuse_other_formats(std::string_view name) {
  constexpr std::pair<std::string_view, std::string_view> kExports[] = {
      {".pt", "torch.onnx.export(model, example, \"net.onnx\") in PyTorch"},
      {".pth", "torch.onnx.export(model, example, \"net.onnx\") in PyTorch"},
      {".h5", "tf2onnx"},
      {".keras", "tf2onnx"},
      {".tflite", "tf2onnx"},
      {".pb", "tf2onnx"}};
  for (const auto& [ending, exporter] : kExports) {
    if (!name.ends_with(ending)) continue;
    throw InputError(fmt::format(
        "--model {}: networks are read from ONNX files: export this one (by {}); weights that bitloop "
        "train wrote are given as --checkpoint",
        name, exporter));
  }
}

}  // namespace

FloatNetwork open_model(std::string_view name_or_path, const ModelRequest& request) {
  if (name_or_path.ends_with(".onnx")) {
    FloatNetwork model = import_onnx(name_or_path, {.image = request.image, .outputs = request.outputs});
    check_request(model, name_or_path, request);
    return model;
  }
  refuse_other_formats(name_or_path);
  if (!request.outputs.empty())
    throw InputError(
        fmt::format("--outputs names results of an .onnx file; {} is a network of the zoo", name_or_path));
  FloatNetwork model;
  model.network = host::zoo_network(name_or_path, request.image, request.classes);
  return model;
}

void copy_model(const std::filesystem::path& from, const std::filesystem::path& to) { copy_onnx(from, to); }

}  // namespace bitloop::quant
