#include "quant/onnx/import.h"

#include "host/error.h"

namespace bitloop::quant {

FloatNetwork import_onnx(const std::filesystem::path& path) {
  throw InputError(path.string() + ": under construction");
}

}  // namespace bitloop::quant
