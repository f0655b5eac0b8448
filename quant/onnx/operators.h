#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quant/onnx/draft.h"
#include "quant/onnx/folding.h"
#include "quant/onnx/integer_range.h"
#include "quant/onnx/names.h"
#include "quant/onnx/node.h"
#include "quant/onnx/shape_rules.h"

namespace bitloop::quant::importer {

/// What the handler of an operator works on: a node that reads a tensor, and the network so far.
struct Lowering {
  const Node& node;
  const std::vector<Value>& inputs;  ///< where left out: neither constant nor tensor
  Draft& draft;
  Names& names;
  Budget& budget;
  int readers = 0;  ///< of the node's result
  int output = 0;   ///< which of the node's results is wanted

  /// Input `i` as a tensor without pending padding or softmax; refuses all else.
  [[nodiscard]] const Value& tensor(std::size_t i) const;
  /// The same, but for zeros that a Pad node has put around it.
  [[nodiscard]] const Value& padded_tensor(std::size_t i) const;
  /// The same value, padded or not; refuses views other than [batch, channels, height, width].
  const Value& image_like(const Value& value) const;
  /// Input `i` as a constant; null where it is left out. Refuses tensors.
  [[nodiscard]] const Constant* constant(std::size_t i) const;
  /// The same, refusing one that is left out.
  [[nodiscard]] const Constant& needed_constant(std::size_t i) const;
  [[nodiscard]] bool is_constant(std::size_t i) const {
    return i < inputs.size() && inputs[i].constant != nullptr;
  }

  /// The input's tensor as the node's result, as it is or seen as other dimensions.
  [[nodiscard]] Value pass(Value value) const;
  [[nodiscard]] Value pass(Value value, Dims dims) const;
  /// Appends a layer that changes no shape; its result is seen as `value` is.
  Value append_like(const Value& value, host::Layer layer, LayerParameters parameters = {}) const;
  /// Appends a layer; its result is seen as [batch, channels, height, width].
  Value append(host::Layer layer, const Dims& shape, LayerParameters parameters = {}) const;
  /// Appends a layer, its result seen as `dims`.
  Value append(host::Layer layer, const Dims& shape, Dims dims, LayerParameters parameters = {}) const;
  /// Values of a constant; refuses what is not finite.
  [[nodiscard]] std::vector<float> numbers(const Constant& constant) const;

 private:
  /// That the layer last appended reads these tensors, as the node's inputs limit them.
  void note_reader(const std::vector<int>& tensors) const;
};

using Handler = Value (*)(const Lowering&);
struct Operator {
  std::string_view name;
  Handler handler = nullptr;  ///< null: its inputs must be constants
  std::string_view limits;    ///< what of it is supported, for docs/networks.md
};
/// All operators that can stand in a file, in alphabetical order.
std::span<const Operator> operators();
/// Whether an operator is one of those that can stand in a file.
bool is_supported(std::string_view op);
/// Its results beyond the first may be read too: its handler is called for each.
bool has_several_results(std::string_view op);
/// The handler of an operator that reads tensors; null where it takes constants only.
Handler handler_of(std::string_view op);

// operators that compute sums of products, and what joins them
Value lower_conv(const Lowering& l);
Value lower_gemm(const Lowering& l);
Value lower_matmul(const Lowering& l);
Value lower_batch_normalization(const Lowering& l);
Value lower_add(const Lowering& l);
Value lower_sum(const Lowering& l);
Value lower_sub(const Lowering& l);
Value lower_mul(const Lowering& l);
Value lower_div(const Lowering& l);
Value lower_relu(const Lowering& l);
Value lower_clip(const Lowering& l);
Value lower_leaky_relu(const Lowering& l);
Value lower_prelu(const Lowering& l);

/// The first input kept to limits: those join the layers before where these are read through them only, or
/// are a layer's own.
Value clipped(const Lowering& l, const host::Limits& limits);
/// Limits of a Clip; infinite where there is none.
host::Limits clip_limits(const Lowering& l);

// functions of one number
/// The result of a node that makes a function of one tensor's numbers, where it is not better joined to a
/// layer.
std::optional<Value> joined_function(const Lowering& l);
/// The layer that computes the function of the first input; the node is the one that the function ends with.
Value append_function(const Lowering& l);
/// Refuses what `joined_function` has not taken.
Value lower_function(const Lowering& l);

// windows without weights
Value lower_pad(const Lowering& l);
Value lower_max_pool(const Lowering& l);
Value lower_average_pool(const Lowering& l);
Value lower_global_average_pool(const Lowering& l);
Value lower_global_max_pool(const Lowering& l);
Value lower_reduce_mean(const Lowering& l);
Value lower_resize(const Lowering& l);

// channels: which, and in which order
Value lower_concat(const Lowering& l);
Value lower_split(const Lowering& l);
Value lower_slice(const Lowering& l);
Value lower_gather(const Lowering& l);
/// A transpose of dimensions that the channels fall into, or nothing where it moves others.
std::optional<Value> lower_shuffle(const Lowering& l, const std::vector<std::int64_t>& order);

// more rows and columns
Value lower_conv_transpose(const Lowering& l);
Value lower_depth_to_space(const Lowering& l);

// views, and what passes its input on
Value lower_identity(const Lowering& l);
Value lower_dropout(const Lowering& l);
Value lower_flatten(const Lowering& l);
Value lower_reshape(const Lowering& l);
Value lower_squeeze(const Lowering& l);
Value lower_unsqueeze(const Lowering& l);
Value lower_transpose(const Lowering& l);
Value lower_shape(const Lowering& l);
Value lower_softmax(const Lowering& l);
Value lower_arg_max(const Lowering& l);
Value lower_cast(const Lowering& l);
Value lower_quantize(const Lowering& l);
Value lower_dequantize(const Lowering& l);
Value lower_quant(const Lowering& l);

}  // namespace bitloop::quant::importer
