#pragma once

#include <cstdint>
#include <vector>

#include "quant/onnx/constant.h"
#include "quant/onnx/node.h"

namespace bitloop::quant::importer {

// What operators on shapes give, as far as it follows from dimensions.

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

}  // namespace bitloop::quant::importer
