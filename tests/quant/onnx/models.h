#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "quant/model/model.h"
#include "quant/onnx/import.h"

namespace bitloop::quant {

using Sizes = std::vector<std::int64_t>;

/// Small ONNX models as tests write them.
class OnnxModel {
 public:
  explicit OnnxModel(int opset = 13);

  using Attribute = std::variant<std::int64_t, float, std::string, Sizes, std::vector<float>>;
  struct Named {
    std::string name;
    Attribute value;
  };

  /// A dimension of -1 is dynamic.
  OnnxModel& input(const std::string& name, const Sizes& sizes);
  OnnxModel& output(const std::string& name);
  OnnxModel& floats(const std::string& name, const Sizes& sizes, const std::vector<float>& values);
  /// Values that depend on the name alone, in -1..1.
  OnnxModel& weights(const std::string& name, const Sizes& sizes);
  /// Values that depend on the name alone, in 0.5..1.5.
  OnnxModel& positive(const std::string& name, const Sizes& sizes);
  OnnxModel& integers(const std::string& name, const std::vector<std::int64_t>& values);
  OnnxModel& scalar(const std::string& name, float value) { return floats(name, {}, {value}); }
  /// Integers of a narrow type, in raw bytes.
  OnnxModel& bytes(const std::string& name, const Sizes& sizes, const std::string& raw, int type);
  OnnxModel& node(const std::string& op, const std::vector<std::string>& inputs, const std::string& output,
                  const std::vector<Named>& attributes = {});

  onnx::ModelProto& proto() { return proto_; }
  [[nodiscard]] std::string serialized() const { return proto_.SerializeAsString(); }
  void save(const std::filesystem::path& path) const;

 private:
  onnx::TensorProto& tensor(const std::string& name, const Sizes& sizes, int type);
  onnx::ModelProto proto_;
};

/// `count` numbers in low..high.
std::vector<float> random_floats(std::size_t count, std::uint64_t seed, float low = -1, float high = 1);
std::vector<float> read_floats(const std::filesystem::path& path);

FloatNetwork imported(const OnnxModel& model, const ImportOptions& options = {});
/// The results of an imported network, one behind the other, for a batch of images (CHW).
std::vector<float> run_float(const FloatNetwork& model, const std::vector<float>& images);
/// Of OpenCV's reader of ONNX.
std::vector<float> run_opencv(OnnxModel model, const Sizes& input_sizes, const std::vector<float>& images);

/// Largest absolute difference over the largest expected magnitude.
double relative_error(const std::vector<float>& values, const std::vector<float>& expected);

}  // namespace bitloop::quant
