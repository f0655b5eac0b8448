#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <filesystem>
#include <string>

namespace bitloop::quant::importer {

/// Reads tensors that a model keeps in other files (`external_data`), which lie in the model's own folder or
/// below it.
class ExternalData {
 public:
  explicit ExternalData(std::filesystem::path folder) : folder_(std::move(folder)) {}

  /// Puts the tensor's bytes into the tensor itself; does nothing to one that has them. Throws InputError,
  /// without the model's name, where the file is not there, leads out of the folder, or is shorter than what
  /// the tensor states, and where tensors read more than 1 GiB together.
  void load(onnx::TensorProto& tensor);
  /// Read so far.
  [[nodiscard]] std::int64_t bytes() const { return loaded_; }

 private:
  std::filesystem::path folder_;
  std::int64_t loaded_ = 0;
};

}  // namespace bitloop::quant::importer
