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
  explicit Budget(std::int64_t file_bytes) : left_(kLeast) { add_file(file_bytes); }
  void add_file(std::int64_t bytes) { left_ += 8 * bytes; }
  /// Throws InputError, naming the node, where `elements` more are too many.
  void spend(const Node& node, std::int64_t elements);

 private:
  static constexpr std::int64_t kLeast = 1 << 20;
  std::int64_t left_;
};

/// The first result of a node all of whose inputs are constants (null where left out), such as computed
/// shapes and quantized weights; null where its operator is none that is folded.
SharedConstant fold(const Node& node, const std::vector<SharedConstant>& inputs, Budget& budget);

}  // namespace bitloop::quant::importer
