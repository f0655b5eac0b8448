#include "quant/model.h"

#include "quant/onnx/import.h"

namespace bitloop::quant {

FloatNetwork open_model(std::string_view name_or_path, const ModelRequest& request) {
  if (name_or_path.ends_with(".onnx")) return import_onnx(name_or_path);
  FloatNetwork model;
  model.network = host::zoo_network(name_or_path, request.image);
  return model;
}

}  // namespace bitloop::quant
