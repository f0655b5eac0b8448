#pragma once

#include <optional>
#include <string>
#include <vector>

#include "quant/onnx/constant.h"
#include "quant/onnx/node.h"

namespace bitloop::quant::importer {

/// What all weights and all constants that nodes compute may hold together: in proportion to the file, so
/// that a small one cannot take much memory by using one tensor again and again.
class Budget {
 public:
  /// A network uses most of its weights once; dequantizing bytes takes some steps, each of as many floats.
  explicit Budget(std::int64_t file_bytes) : left_(kLeast + 8 * file_bytes) {}
  /// Throws InputError, naming the node, where `elements` more are too many.
  void spend(const Node& node, std::int64_t elements);

 private:
  static constexpr std::int64_t kLeast = 1 << 20;
  std::int64_t left_;
};

/// The first result of a node all of whose inputs are constants (null where left out), such as computed
/// shapes and quantized weights; null where its operator is none that is folded.
SharedConstant fold(const Node& node, const std::vector<SharedConstant>& inputs, Budget& budget);

/// The result of a Shape node on a tensor of these dimensions: those from its `start` to its `end`.
SharedConstant shape_of(const Node& node, const Dims& dims);

/// Axes of Squeeze, Unsqueeze and the Reduce family: an attribute, or an input in later opsets; counted from
/// the front of `rank` dimensions. Throws InputError where one lies outside.
std::vector<std::int64_t> axes_of(const Node& node, const Constant* input, std::int64_t rank);
/// Dimensions after Squeeze and Unsqueeze.
Dims squeezed(const Node& node, const Dims& dims, const Constant* axes);
Dims unsqueezed(const Node& node, const Dims& dims, const Constant* axes);
/// Dimensions after Reshape, with 0 and -1 resolved.
Dims reshaped(const Node& node, const Dims& dims, const Constant& shape);

/// Lowest and highest integer of a quantizer: of QuantizeLinear by its zero point's type, of QONNX Quant by
/// its width.
struct IntegerRange {
  double low = 0;
  double high = 0;
};
IntegerRange quantize_range(const Node& node, const Constant* zero_point);
IntegerRange quant_range(const Node& node, const Constant& bits);

}  // namespace bitloop::quant::importer
