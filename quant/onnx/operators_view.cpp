#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>

#include "quant/onnx/operators.h"

namespace bitloop::quant::importer {
namespace {

/// Another view of the same elements; the batch must stay in front, or images would mix.
Value viewed(const Lowering& l, const Value& value, Dims dims) {
  if (dims.empty() || dims.front() != value.dims.front()) {
    l.node.refuse(
        fmt::format("it changes the first dimension, the batch: {} becomes {}; only the others may change",
                    fmt::join(value.dims, "x"), fmt::join(dims, "x")));
  }
  return l.pass(value, std::move(dims));
}

/// Integers from zero up, as in uint8, clip all negative numbers: a ReLU that exporters leave to them.
Value rectified_by_range(const Lowering& l, bool from_zero) {
  const Value& value = l.padded_tensor(0);
  if (from_zero && !l.draft.is_image(value.tensor) && !l.draft.non_negative(value.tensor)) {
    if (const auto reason = l.draft.join_activation(value.tensor, host::Activation::relu, 0))
      l.node.refuse("its range starts at zero, which clips as a Relu does, but its input " + *reason);
  }
  return l.pass(value);
}

}  // namespace

Value lower_identity(const Lowering& l) {
  return l.pass(l.inputs.front().softmax ? l.inputs.front() : l.padded_tensor(0));
}

Value lower_dropout(const Lowering& l) {
  const Constant* training = l.constant(2);
  if (training != nullptr && training->count() == 1 && training->at(0) != 0)
    l.node.refuse("it is exported for training; export the network for inference");
  return l.pass(l.padded_tensor(0));
}

Value lower_flatten(const Lowering& l) {
  const Value& value = l.tensor(0);
  const auto rank = static_cast<std::int64_t>(value.dims.size());
  std::int64_t axis = l.node.integer("axis", 1);
  if (axis < 0) axis += rank;
  if (axis < 0 || axis > rank) l.node.refuse("its axis lies outside of its input's dimensions");
  const Dims before(value.dims.begin(), value.dims.begin() + axis),
      after(value.dims.begin() + axis, value.dims.end());
  return viewed(l, value, {element_count(before), element_count(after)});
}

Value lower_reshape(const Lowering& l) {
  const Value& value = l.inputs.front().softmax ? l.inputs.front() : l.tensor(0);
  return viewed(l, value, reshaped(l.node, value.dims, l.needed_constant(1)));
}

Value lower_squeeze(const Lowering& l) {
  const Value& value = l.tensor(0);
  return viewed(l, value, squeezed(l.node, value.dims, l.constant(1)));
}

Value lower_unsqueeze(const Lowering& l) {
  const Value& value = l.tensor(0);
  return viewed(l, value, unsqueezed(l.node, value.dims, l.constant(1)));
}

Value lower_transpose(const Lowering& l) {
  const Value& value = l.tensor(0);
  const std::size_t rank = value.dims.size();
  std::vector<std::int64_t> order(rank);
  std::iota(order.rbegin(), order.rend(), 0);
  order = l.node.integers("perm", order);
  std::vector<std::int64_t> sorted = order;
  std::sort(sorted.begin(), sorted.end());
  for (std::size_t i = 0; i < sorted.size(); ++i)
    if (sorted.size() != rank || sorted[i] != static_cast<std::int64_t>(i))
      l.node.refuse("its perm is no permutation of its input's dimensions");
  Dims dims;
  std::int64_t last = -1;
  bool in_order = true;
  for (const std::int64_t from : order) {
    dims.push_back(value.dims[from]);
    if (value.dims[from] == 1) continue;
    in_order = in_order && from > last;
    last = from;
  }
  if (!in_order || order.front() != 0) {
    l.node.refuse(
        fmt::format("it moves elements (perm {} of {}); supported is a Transpose that moves dimensions of "
                    "one element only: export the network in NCHW order",
                    fmt::join(order, ","), fmt::join(value.dims, "x")));
  }
  return l.pass(value, std::move(dims));
}

/// Reads no elements, so it is not counted as a reader.
Value lower_shape(const Lowering& l) {
  Value result;
  result.constant = shape_of(l.node, l.inputs.front().dims);
  return result;
}

Value lower_softmax(const Lowering& l) {
  Value value = l.tensor(0);
  const auto rank = static_cast<std::int64_t>(value.dims.size());
  std::int64_t axis = l.node.integer("axis", l.node.opset() < 13 ? 1 : -1);
  if (axis < 0) axis += rank;
  const std::int64_t classes = l.draft.shape(value.tensor).elements();
  if (axis < 1 || axis >= rank || value.dims[axis] != classes)
    l.node.refuse("supported is a softmax over all numbers that the network gives for an image");
  value.softmax = true;
  return l.pass(std::move(value));
}

Value lower_quantize(const Lowering& l) {
  if (!l.needed_constant(1).is_float()) l.node.refuse("its scale must be a float");
  const Constant* zero = l.constant(2);
  const IntegerRange range = quantize_range(l.node, zero);
  if (zero != nullptr && zero->count() != 1)
    l.node.refuse("of tensors, one scale and zero point are supported");
  if (l.inputs.front().softmax) return l.pass(l.inputs.front());
  return rectified_by_range(l, (zero == nullptr ? 0 : zero->at(0)) == range.low);
}

Value lower_dequantize(const Lowering& l) { return lower_identity(l); }

Value lower_quant(const Lowering& l) {
  if (l.node.op() != "Quant") return lower_identity(l);
  const Constant& zero = l.needed_constant(2);
  const IntegerRange range = quant_range(l.node, l.needed_constant(3));
  return rectified_by_range(l, zero.count() == 1 && zero.at(0) == range.low);
}

}  // namespace bitloop::quant::importer
