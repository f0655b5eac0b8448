#include "quant/onnx/constant.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cctype>
#include <cmath>
#include <cstring>
#include <limits>

#include "host/base/error.h"
#include "quant/onnx/file.h"

namespace bitloop::quant::importer {
namespace {

/// "float16" for the file's number 10.
std::string type_name(int type) {
  if (!onnx::TensorProto::DataType_IsValid(type)) return fmt::format("unknown (type {})", type);
  std::string name = onnx::TensorProto::DataType_Name(static_cast<onnx::TensorProto::DataType>(type));
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  return name;
}

static_assert(std::endian::native == std::endian::little, "raw data is little-endian");

[[noreturn]] void refuse(const onnx::TensorProto& tensor, std::string_view what) {
  throw InputError(fmt::format("tensor {} {}", printable(tensor.name()), what));
}

/// The elements of raw data, or of the typed field that stands in for it.
template <typename Stored, typename Result, typename Field>
std::vector<Result> elements(const onnx::TensorProto& tensor, const Field& field, std::int64_t count) {
  const bool raw = tensor.has_raw_data();
  const std::size_t stored = raw ? tensor.raw_data().size() : static_cast<std::size_t>(field.size());
  const std::size_t expected = static_cast<std::size_t>(count) * (raw ? sizeof(Stored) : 1);
  if (stored != expected) {
    refuse(tensor, fmt::format("holds {} {}, but its shape needs {}: the file is damaged", stored,
                               raw ? "bytes" : "values", expected));
  }
  if (!raw) return {field.begin(), field.end()};
  std::vector<Result> values(static_cast<std::size_t>(count));
  const char* bytes = tensor.raw_data().data();
  for (std::size_t i = 0; i < values.size(); ++i) {
    Stored value;
    std::memcpy(&value, bytes + i * sizeof value, sizeof value);
    values[i] = static_cast<Result>(value);
  }
  return values;
}

/// The number that 16 bits stand for, `mantissa_bits` of which are the mantissa's: 10 of a float16, 7 of a
/// bfloat16.
float widened(std::uint32_t bits, int mantissa_bits) {
  const int exponent_bits = 15 - mantissa_bits;
  const std::uint32_t sign = bits >> 15 & 1, mantissa = bits & ((1U << mantissa_bits) - 1);
  const std::uint32_t exponent = bits >> mantissa_bits & ((1U << exponent_bits) - 1);
  const int bias = (1 << (exponent_bits - 1)) - 1;
  float magnitude = 0;
  if (exponent == (1U << exponent_bits) - 1)
    magnitude =
        mantissa == 0 ? std::numeric_limits<float>::infinity() : std::numeric_limits<float>::quiet_NaN();
  else if (exponent == 0)
    magnitude = std::ldexp(static_cast<float>(mantissa), 1 - bias - mantissa_bits);
  else
    magnitude = std::ldexp(static_cast<float>(mantissa | 1U << mantissa_bits),
                           static_cast<int>(exponent) - bias - mantissa_bits);
  return sign != 0 ? -magnitude : magnitude;
}

std::vector<float> half_floats(const onnx::TensorProto& tensor, std::int64_t count, int mantissa_bits) {
  const auto codes = elements<std::uint16_t, std::uint32_t>(tensor, tensor.int32_data(), count);
  std::vector<float> values;
  values.reserve(codes.size());
  for (const std::uint32_t code : codes) values.push_back(widened(code & 0xffff, mantissa_bits));
  return values;
}

void read_values(const onnx::TensorProto& tensor, std::int64_t count, Constant& result) {
  using onnx::TensorProto;
  using Integer = std::int64_t;
  const auto& small = tensor.int32_data();
  switch (tensor.data_type()) {
    case TensorProto::FLOAT:
      result.floats = elements<float, float>(tensor, tensor.float_data(), count);
      return;
    case TensorProto::DOUBLE:
      result.floats = elements<double, float>(tensor, tensor.double_data(), count);
      return;
    case TensorProto::FLOAT16:
      result.floats = half_floats(tensor, count, 10);
      return;
    case TensorProto::BFLOAT16:
      result.floats = half_floats(tensor, count, 7);
      return;
    case TensorProto::INT64:
      result.integers = elements<std::int64_t, Integer>(tensor, tensor.int64_data(), count);
      return;
    case TensorProto::INT32:
      result.integers = elements<std::int32_t, Integer>(tensor, small, count);
      return;
    case TensorProto::INT16:
      result.integers = elements<std::int16_t, Integer>(tensor, small, count);
      return;
    case TensorProto::UINT16:
      result.integers = elements<std::uint16_t, Integer>(tensor, small, count);
      return;
    case TensorProto::INT8:
      result.integers = elements<std::int8_t, Integer>(tensor, small, count);
      return;
    case TensorProto::UINT8:
    case TensorProto::BOOL:
      result.integers = elements<std::uint8_t, Integer>(tensor, small, count);
      return;
    default:
      refuse(tensor, fmt::format("is of type {}; supported are float, float16, bfloat16, double, bool, "
                                 "int8, uint8, int16, uint16, int32 and int64",
                                 type_name(tensor.data_type())));
  }
}

}  // namespace

bool is_float_type(int type) {
  using onnx::TensorProto;
  return type == TensorProto::FLOAT || type == TensorProto::DOUBLE || type == TensorProto::FLOAT16 ||
         type == TensorProto::BFLOAT16;
}

Constant integer_constant(std::vector<std::int64_t> values) {
  Constant result;
  result.type = onnx::TensorProto::INT64;
  result.dims = {static_cast<std::int64_t>(values.size())};
  result.integers = std::move(values);
  return result;
}

std::int64_t element_count(const Dims& dims) {
  constexpr std::int64_t kLargest = std::int64_t{1} << 59;  // of 8 bytes each: these are counted too
  std::int64_t count = 1;  // dimensions of no elements left out: products of some must fit too
  bool empty = false;
  for (const std::int64_t dim : dims) {
    if (dim < 0 || (dim > 0 && count > kLargest / dim)) return -1;
    count *= std::max<std::int64_t>(dim, 1);
    empty = empty || dim == 0;
  }
  return empty ? 0 : count;
}

Constant read_tensor(onnx::TensorProto& tensor) {
  if (tensor.data_location() == onnx::TensorProto::EXTERNAL || tensor.external_data_size() > 0)
    refuse(tensor,
           "lies in another file; of weights that nodes hold only those inside the ONNX file are supported");
  if (tensor.has_segment()) refuse(tensor, "is stored in segments; only whole tensors are supported");
  Constant result;
  result.name = tensor.name();
  result.type = tensor.data_type();
  result.dims.assign(tensor.dims().begin(), tensor.dims().end());
  const std::int64_t count = element_count(result.dims);
  if (count < 0 || result.dims.size() > kHighestRank)
    refuse(tensor,
           fmt::format("has an impossible shape of {} dimensions: the file is damaged", result.dims.size()));
  read_values(tensor, count, result);
  // A network's weights are not kept twice; clearing alone would keep the memory.
  std::string().swap(*tensor.mutable_raw_data());
  google::protobuf::RepeatedField<float>().Swap(tensor.mutable_float_data());
  return result;
}

}  // namespace bitloop::quant::importer
