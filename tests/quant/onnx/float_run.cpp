#include "quant/training/float_network.h"
#include "tests/quant/fixtures.h"
#include "tests/quant/onnx/models.h"

namespace bitloop::quant {

FloatNetwork imported(const OnnxModel& model, const ImportOptions& options) {
  const TemporaryFolder folder;
  model.save(folder.path() / "net.onnx");
  return import_onnx(folder.path() / "net.onnx", options);
}

std::vector<float> run_float(const FloatNetwork& model, const std::vector<float>& images) {
  const host::Network& network = model.network;
  const host::Shape& shape = network.tensors.at(network.input).shape;
  const std::int64_t batch = static_cast<std::int64_t>(images.size()) / shape.elements();
  const at::Tensor input = at::tensor(images).view({batch, shape.channels, shape.height, shape.width});
  const FloatPass pass = float_forward(network, float_layers(model), input, false);
  std::vector<float> results;
  for (const int output : network.outputs) {
    const at::Tensor values = pass.tensors.at(output).contiguous();
    results.insert(results.end(), values.data_ptr<float>(), values.data_ptr<float>() + values.numel());
  }
  return results;
}

}  // namespace bitloop::quant
