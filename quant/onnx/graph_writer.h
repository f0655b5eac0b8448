#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "host/network/network.h"

namespace bitloop::quant {

/// Appends to an ONNX model: operator set 13 and the QONNX operators. Every call returns the name of the
/// value that it makes.
class GraphWriter {
 public:
  explicit GraphWriter(const std::string& name);

  std::string input(const std::string& name, const std::vector<std::int64_t>& dims);
  void output(const std::string& name, const std::vector<std::int64_t>& dims);
  std::string floats(const std::string& name, const std::vector<std::int64_t>& dims,
                     std::span<const float> values);
  std::string integers(const std::string& name, const std::vector<std::int64_t>& values);
  std::string scalar(const std::string& name, double value);

  struct Integer {
    std::string name;
    std::int64_t value;
  };
  struct Integers {
    std::string name;
    std::vector<std::int64_t> values;
  };
  struct Number {
    std::string name;
    double value;
  };
  struct Attributes {
    std::vector<Integer> integers;
    std::vector<Integers> lists;
    std::vector<Number> numbers;
  };
  /// A node of its result's name; `output` is that too where no other is given.
  std::string node(const std::string& op, const std::string& name, const std::vector<std::string>& inputs,
                   const Attributes& attributes = {});
  /// Zeros around rows and columns.
  std::string pad(const std::string& name, const std::string& input, const host::Padding& pad);
  /// Nearest, each position as often as `factor` says.
  std::string upsample(const std::string& name, const std::string& input, const host::Steps& factor);
  /// The channels of `input` that `channels` names, in that order.
  std::string gather(const std::string& name, const std::string& input, std::span<const int> channels);
  /// QONNX: (clamp(round(x / scale + zero), range of bits) - zero) * scale.
  std::string quant(const std::string& name, const std::string& input, const std::string& scale,
                    const std::string& zero, int bits, bool is_signed, bool narrow);
  /// QONNX: scale where x >= 0, else -scale.
  std::string bipolar_quant(const std::string& name, const std::string& input, const std::string& scale);

  void metadata(const std::string& key, const std::string& value);
  [[nodiscard]] std::string serialized() const { return model_.SerializeAsString(); }

 private:
  onnx::NodeProto& add_node(const std::string& op, const std::string& name,
                            const std::vector<std::string>& inputs);

  onnx::ModelProto model_;
};

}  // namespace bitloop::quant
