#include "quant/onnx/view.h"

#include <algorithm>

namespace bitloop::quant::importer {
namespace {

std::array<std::int64_t, 3> sizes_of(const host::Shape& shape) {
  return {shape.channels, shape.height, shape.width};
}

}  // namespace

std::optional<std::vector<int>> shown_axes(const Value& value, const host::Shape& shape) {
  if (value.dims.empty()) return std::nullopt;
  auto sizes = sizes_of(shape);
  sizes[kRows] += value.pads.top + value.pads.bottom;
  sizes[kColumns] += value.pads.left + value.pads.right;
  const AxisOrder& order = value.order;
  const Dims dims(value.dims.begin() + 1, value.dims.end());
  const bool all = dims.size() == order.size() &&
                   std::ranges::equal(dims, order, {}, {}, [&](int axis) { return sizes[axis]; });
  if (all) return std::vector<int>(order.begin(), order.end());
  std::vector<int> axes;
  auto next = order.begin();
  const auto skip_ones = [&] {
    next = std::find_if(next, order.end(), [&](int a) { return sizes[a] != 1; });
  };
  for (const std::int64_t dim : dims) {
    if (dim == 1) {
      axes.push_back(kNoAxis);
      continue;
    }
    skip_ones();
    if (next == order.end() || sizes[*next] != dim) return std::nullopt;
    axes.push_back(*next++);
  }
  skip_ones();
  return next == order.end() ? std::optional(axes) : std::nullopt;
}

AxisOrder order_of(const std::vector<int>& axes, const host::Shape& shape) {
  const auto sizes = sizes_of(shape);
  std::vector<int> large;
  for (const int axis : axes)
    if (axis != kNoAxis && sizes[axis] != 1) large.push_back(axis);
  if (std::ranges::is_sorted(large)) return AxisOrder{kChannels, kRows, kColumns};
  AxisOrder order{};
  auto end = order.begin();
  for (const int axis : axes)
    if (axis != kNoAxis) *end++ = axis;
  for (const int axis : {kChannels, kRows, kColumns})
    if (std::find(order.begin(), end, axis) == end) *end++ = axis;
  return order;
}

std::vector<std::int64_t> element_places(const Value& value, const host::Shape& shape) {
  const auto sizes = sizes_of(shape);
  const std::array<std::int64_t, 3> strides{sizes[1] * sizes[2], sizes[2], 1};
  const auto [a, b, c] = value.order;
  std::vector<std::int64_t> places;
  places.reserve(static_cast<std::size_t>(shape.elements()));
  for (std::int64_t i = 0; i < sizes[a]; ++i)
    for (std::int64_t j = 0; j < sizes[b]; ++j)
      for (std::int64_t k = 0; k < sizes[c]; ++k)
        places.push_back(i * strides[a] + j * strides[b] + k * strides[c]);
  return places;
}

}  // namespace bitloop::quant::importer
