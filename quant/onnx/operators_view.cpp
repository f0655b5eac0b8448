#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "quant/onnx/operators.h"
#include "quant/onnx/view.h"

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

/// A tensor kept to the integers `range` less `zero`, times `scale`. Of the image, whose pixels are codes of
/// 8 bits, fewer bits are a layer.
Value quantized(const Lowering& l, const IntegerRange& range, const Constant& scale, const Constant* zero) {
  Value value = l.padded_tensor(0);
  const double step = scale.count() == 1 ? scale.at(0) : 0;
  if (!(step > 0 && std::isfinite(step))) l.node.refuse("of tensors, one scale above zero is supported");
  const double offset = zero == nullptr ? 0 : zero->at(0);
  if (!(range.low <= offset && offset <= range.high) || offset != std::nearbyint(offset))
    l.node.refuse("supported are whole zero points within its range");
  const host::Limits limits{(range.low - offset) * step, (range.high - offset) * step, step};
  constexpr double kPixelSteps = 254;
  if (l.draft.is_image(value.tensor) && range.high - range.low < kPixelSteps) return clipped(l, limits);
  if (!value.limit(limits)) l.node.refuse("it is the third quantizer in a row; supported are two");
  return l.pass(std::move(value));
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
  std::vector<std::int64_t> all(rank);
  std::iota(all.begin(), all.end(), 0);
  const std::vector<std::int64_t> order = l.node.integers("perm", {all.rbegin(), all.rend()});
  if (!std::ranges::is_permutation(order, all))
    l.node.refuse("its perm is no permutation of its input's dimensions");
  Dims dims;
  std::int64_t last = -1;
  bool in_order = true;  // dimensions of one element may move: no element does
  for (const std::int64_t from : order) {
    dims.push_back(value.dims[from]);
    if (value.dims[from] == 1) continue;
    in_order = in_order && from > last;
    last = from;
  }
  const host::Shape& shape = l.draft.shape(value.tensor);
  const auto axes = shown_axes(value, shape);
  if (!in_order && !axes) {
    if (auto shuffled = lower_shuffle(l, order)) return *std::move(shuffled);
  }
  if (order.empty() || order.front() != 0 || (!in_order && !axes)) {
    l.node.refuse(
        fmt::format("it moves elements (perm {} of {}); supported is a Transpose of channels, rows and "
                    "columns, or of parts of "
                    "the channels",
                    fmt::join(order, ","), fmt::join(value.dims, "x")));
  }
  Value moved = value;
  if (!in_order) {
    std::vector<int> shown;
    for (std::size_t i = 1; i < rank; ++i) shown.push_back(axes->at(order[i] - 1));
    moved.order = order_of(shown, shape);
  }
  return l.pass(std::move(moved), std::move(dims));
}

/// Reads no elements, so it is not counted as a reader.
Value lower_shape(const Lowering& l) {
  Value result;
  result.constant = shape_of(l.node, l.inputs.front().dims);
  return result;
}

/// Drops what follows the numbers that a network gives for an image or a position and leaves their order as
/// it is, along an axis.
Value ended(const Lowering& l, std::int64_t axis, const char* what) {
  Value value = l.inputs.front().softmax ? l.inputs.front() : l.tensor(0);
  const auto rank = static_cast<std::int64_t>(value.dims.size());
  if (axis < 0) axis += rank;
  const host::Shape& shape = l.draft.shape(value.tensor);
  const auto axes = shown_axes(value, shape);
  const bool channels = axis >= 1 && axis < rank && axes && axes->at(axis - 1) == kChannels;
  if (!channels && (axis < 1 || axis >= rank || value.dims[axis] != shape.elements()))
    l.node.refuse(
        fmt::format("supported is {} over all numbers that the network gives for an image, or over "
                    "the channels",
                    what));
  value.softmax = true;
  return value;
}

Value lower_softmax(const Lowering& l) {
  return l.pass(ended(l, l.node.integer("axis", l.node.opset() < 13 ? 1 : -1), "a softmax"));
}

Value lower_arg_max(const Lowering& l) {
  const std::int64_t axis = l.node.integer("axis", 0);
  Value value = ended(l, axis, "an argmax");
  const auto at =
      value.dims.begin() + (axis < 0 ? axis + static_cast<std::int64_t>(value.dims.size()) : axis);
  *at = 1;
  if (l.node.integer("keepdims", 1) == 0) value.dims.erase(at);
  return l.pass(std::move(value));
}

Value lower_cast(const Lowering& l) {
  const Value& value = l.inputs.front().softmax ? l.inputs.front() : l.padded_tensor(0);
  const std::int64_t to = l.node.integer("to", 0);
  if (!value.softmax && !is_float_type(static_cast<int>(std::clamp<std::int64_t>(to, 0, 1000))))
    l.node.refuse("tensors are cast to floats only");
  return l.pass(value);
}

Value lower_quantize(const Lowering& l) {
  if (!l.needed_constant(1).is_float()) l.node.refuse("its scale must be a float");
  const Constant* zero = l.constant(2);
  const IntegerRange range = quantize_range(l.node, zero);
  if (zero != nullptr && zero->count() != 1)
    l.node.refuse("of tensors, one scale and zero point are supported");
  if (l.inputs.front().softmax) return l.pass(l.inputs.front());
  return quantized(l, range, l.needed_constant(1), zero);
}

Value lower_dequantize(const Lowering& l) { return lower_identity(l); }

Value lower_quant(const Lowering& l) {
  const Value& value = l.padded_tensor(0);
  if (l.node.op() != "Quant")
    l.node.refuse(
        "of tensors it is not supported: -s and +s leave no code for the zeros of paddings; quantize them by "
        "Quant of 2 bits or more");
  const Constant& zero = l.needed_constant(2);
  const IntegerRange range = quant_range(l.node, l.needed_constant(3));
  if (zero.count() != 1) {
    if (l.draft.is_image(value.tensor)) return l.pass(value);  // 8-bit pixels already
    l.node.refuse("of tensors, one zero point is supported");
  }
  if (l.node.text("rounding_mode", "ROUND") != "ROUND") l.node.refuse("of tensors, ROUND is supported");
  return quantized(l, range, l.needed_constant(1), &zero);
}

}  // namespace bitloop::quant::importer
