#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "host/network/network.h"
#include "quant/onnx/draft.h"

namespace bitloop::quant::importer {

// How a file sees a tensor of the network: its elements, in `Value::order` of the tensor's axes, reshaped to
// `Value::dims`. So a Transpose moves no element and a Reshape of channels-last elements is told from one of
// channels-first ones.

/// A tensor's axes by number.
enum Axis : int { kChannels = 0, kRows = 1, kColumns = 2, kNoAxis = -1 };

/// Which axis each dimension behind the batch shows, kNoAxis for those of one element that show none; null
/// where a reshape has split or merged axes.
std::optional<std::vector<int>> shown_axes(const Value& value, const host::Shape& shape);

/// The order of elements where the dimensions behind the batch show these axes. Axes of one element may be
/// missing; where the others are in the tensor's order, so is the result.
AxisOrder order_of(const std::vector<int>& axes, const host::Shape& shape);

/// Per element of a view, in its order, the element's place in the tensor.
std::vector<std::int64_t> element_places(const Value& value, const host::Shape& shape);

}  // namespace bitloop::quant::importer
