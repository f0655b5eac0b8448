#include "quant/onnx/integer_range.h"

#include <fmt/format.h>

#include <cmath>

namespace bitloop::quant::importer {

IntegerRange quantize_range(const Node& node, const Constant* zero_point) {
  switch (zero_point == nullptr ? int{onnx::TensorProto::UINT8} : zero_point->type) {
    case onnx::TensorProto::INT8:
      return {-128, 127};
    case onnx::TensorProto::UINT8:
      return {0, 255};
    default:
      node.refuse("its zero point must be int8 or uint8");
  }
}

IntegerRange quant_range(const Node& node, const Constant& bits) {
  if (bits.count() != 1 || !(bits.at(0) >= 1 && bits.at(0) <= 32))
    node.refuse("its bit width must be one number, 1..32");
  const bool is_signed = node.integer("signed", 1) != 0, narrow = node.integer("narrow", 0) != 0;
  const double steps = std::exp2(is_signed ? bits.at(0) - 1 : bits.at(0));
  if (is_signed) return {narrow ? 1 - steps : -steps, steps - 1};
  return {0, narrow ? steps - 2 : steps - 1};
}

}  // namespace bitloop::quant::importer
