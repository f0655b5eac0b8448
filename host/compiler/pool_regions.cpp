#include "host/compiler/pool_regions.h"

#include <algorithm>
#include <utility>

namespace bitloop::host {
namespace {

/// Places in 0 .. `size` - 1 where `value` changes, then `size`.
template <typename Value>
std::vector<int> changes(int size, const Value& value) {
  std::vector<int> ends;
  for (int i = 1; i < size; ++i) {
    if (value(i) != value(i - 1)) ends.push_back(i);
  }
  ends.push_back(size);
  return ends;
}

/// Input rows (or columns) of the windows at first .. end - 1: first, and how many.
std::pair<int, int> read_by(int first, int end, int stride, int pad, int kernel, int size) {
  const int begin = std::clamp(first * stride - pad, 0, size);
  return {begin, std::clamp((end - 1) * stride - pad + kernel, 0, size) - begin};
}

}  // namespace

std::vector<PoolRegion> pool_regions(const Network& network, const Layer& layer) {
  const Shape& in = network.input_shape(layer);
  const Shape& out = network.output_shape(layer);
  const Window w = layer.window();
  std::vector<PoolRegion> regions;
  int y = 0;
  for (const int end_y : changes(out.height, [&](int row) { return counted_taps(layer, in, row, 0); })) {
    int x = 0;
    for (const int end_x :
         changes(out.width, [&](int column) { return counted_taps(layer, in, 0, column); })) {
      const auto [first_row, rows] = read_by(y, end_y, w.stride.y, w.pad.top, w.height, in.height);
      const auto [first_column, columns] = read_by(x, end_x, w.stride.x, w.pad.left, w.width, in.width);
      regions.push_back({counted_taps(layer, in, y, x),
                         {y, end_y - y, x, end_x - x},
                         {first_row, rows, first_column, columns}});
      x = end_x;
    }
    y = end_y;
  }
  return regions;
}

WindowOp region_op(const WindowOp& pool, const PoolRegion& region) {
  WindowOp op = pool;
  op.input_height = region.input.rows;
  op.input_width = region.input.columns;
  op.output_height = region.output.rows;
  op.output_width = region.output.columns;
  op.pad_y += region.input.first_row - region.output.first_row * op.stride_y;
  op.pad_x += region.input.first_column - region.output.first_column * op.stride_x;
  return op;
}

}  // namespace bitloop::host
