#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace bitloop::quant::importer {

inline constexpr std::size_t kHighestRank = 8;  ///< dimensions of a tensor

using Dims = std::vector<std::int64_t>;

/// Whether a type of ONNX is one of the floats that are read: of 16, 32 or 64 bits.
bool is_float_type(int type);

/// Values known without an image: weights as floats, shapes and quantized weights as integers.
struct Constant {
  std::string name;  ///< of the initializer that the values come from
  int type = onnx::TensorProto::FLOAT;
  Dims dims;
  std::vector<float> floats;           ///< of floats of any width
  std::vector<std::int64_t> integers;  ///< of all other types
  /// The values are whole multiples of it, as it broadcasts over them: a quantizer's. Null where none is
  /// said.
  std::shared_ptr<const Constant> scale = {};

  [[nodiscard]] bool is_float() const { return is_float_type(type); }
  [[nodiscard]] std::int64_t count() const {
    return static_cast<std::int64_t>(is_float() ? floats.size() : integers.size());
  }
  [[nodiscard]] double at(std::int64_t index) const {
    return is_float() ? floats[index] : static_cast<double>(integers[index]);
  }
};
using SharedConstant = std::shared_ptr<const Constant>;

Constant integer_constant(std::vector<std::int64_t> values);

/// Number of elements; -1 where a dimension is negative, or there are more than 2^59 (their bytes could not
/// be counted).
std::int64_t element_count(const Dims& dims);

/// Takes the values out of a tensor of the file. Throws InputError without the file's name: the caller has
/// it.
Constant read_tensor(onnx::TensorProto& tensor);

}  // namespace bitloop::quant::importer
