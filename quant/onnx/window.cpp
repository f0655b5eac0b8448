#include "quant/onnx/window.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

namespace bitloop::quant::importer {
namespace {

constexpr std::int64_t kLargestStep = 255;  // stride and padding, as descriptors hold them

/// A window along rows or columns.
struct Extent {
  std::int64_t size = 1, kernel = 1, stride = 1, begin = 0, end = 0;
  std::int64_t positions = 0;
};

/// Bounds on a padding at the end that give the same positions.
struct Range {
  std::int64_t low = 0, high = 0;
};
Range same_positions(const Extent& e) {
  const std::int64_t exact = (e.positions - 1) * e.stride + e.kernel - e.size - e.begin;
  return {std::max<std::int64_t>(exact, 0), exact + e.stride - 1};
}

std::vector<std::int64_t> two(const Node& node, std::string_view attribute) {
  auto values = node.integers(attribute, {1, 1});
  if (values.size() != 2)
    node.refuse(fmt::format("its {} has {} numbers; supported are windows of two dimensions", attribute,
                            values.size()));
  return values;
}

/// The paddings that auto_pad stands for: such that the result has size / stride positions, rounded up.
void pad_same(Extent& e, bool more_at_end) {
  const std::int64_t positions = (e.size + e.stride - 1) / e.stride;
  const std::int64_t total = std::max<std::int64_t>((positions - 1) * e.stride + e.kernel - e.size, 0);
  e.begin = more_at_end ? total / 2 : total - total / 2;
  e.end = total - e.begin;
}

void set_pads(const Node& node, const Pads& before, Extent& rows, Extent& columns) {
  const std::string mode = node.text("auto_pad", "NOTSET");
  if (mode == "SAME_UPPER" || mode == "SAME_LOWER") {
    if (before.any()) node.refuse("its auto_pad follows a Pad; one of them is supported, not both");
    pad_same(rows, mode == "SAME_UPPER");
    pad_same(columns, mode == "SAME_UPPER");
    return;
  }
  if (mode != "NOTSET" && mode != "VALID")
    node.refuse("supported values of auto_pad are NOTSET, VALID, SAME_UPPER and SAME_LOWER");
  auto pads = node.integers("pads", {0, 0, 0, 0});
  if (mode == "VALID") pads = {0, 0, 0, 0};
  if (pads.size() != 4) node.refuse("its pads are not the four of a window of two dimensions");
  for (const std::int64_t pad : pads)
    if (pad < 0 || pad > kLargestStep) node.refuse(fmt::format("supported pads are 0..{}", kLargestStep));
  rows.begin = pads[0] + before.top;
  columns.begin = pads[1] + before.left;
  rows.end = pads[2] + before.bottom;
  columns.end = pads[3] + before.right;
}

/// Positions of the window; `ceil` counts a last one that begins inside and ends outside.
void count_positions(const Node& node, Extent& e, bool ceil) {
  const std::int64_t room = e.size + e.begin + e.end - e.kernel;
  if (room < 0) node.refuse(fmt::format("its kernel of {} is larger than its padded input", e.kernel));
  e.positions = (ceil ? room + e.stride - 1 : room) / e.stride + 1;
  if (ceil && (e.positions - 1) * e.stride >= e.size + e.begin) --e.positions;
}

}  // namespace

bool pads_itself(const Node& node) {
  const auto pads = node.integers("pads", {});
  return std::any_of(pads.begin(), pads.end(), [](std::int64_t pad) { return pad != 0; }) ||
         node.text("auto_pad", "NOTSET").starts_with("SAME");
}

WindowShape window_shape(const Node& node, const host::Shape& shape, const Pads& pads,
                         std::int64_t kernel_height, std::int64_t kernel_width, bool partial_windows) {
  const auto strides = two(node, "strides"), dilations = two(node, "dilations");
  if (dilations[0] != 1 || dilations[1] != 1)
    node.refuse(fmt::format("dilations {} are not supported; only 1x1 are", fmt::join(dilations, "x")));
  for (const std::int64_t stride : strides)
    if (stride < 1 || stride > kLargestStep)
      node.refuse(fmt::format("supported strides are 1..{}", kLargestStep));
  Extent rows{shape.height, kernel_height, strides[0]}, columns{shape.width, kernel_width, strides[1]};
  set_pads(node, pads, rows, columns);
  const bool ceil = node.integer("ceil_mode", 0) != 0;
  count_positions(node, rows, ceil);
  count_positions(node, columns, ceil);
  // A stride that is never taken may be any.
  if (rows.positions == 1) rows.stride = columns.stride;
  if (columns.positions == 1) columns.stride = rows.stride;
  if (rows.stride != columns.stride)
    node.refuse(fmt::format("strides {} differ; supported is one stride for rows and columns",
                            fmt::join(strides, "x")));
  const Range r = same_positions(rows), c = same_positions(columns);
  const std::int64_t low = std::max(r.low, c.low), high = std::min(r.high, c.high);
  if (rows.begin != columns.begin || low > high || rows.begin > kLargestStep || low > kLargestStep) {
    node.refuse(fmt::format(
        "its rows are padded by {} and {}, its columns by {} and {}; supported are equal paddings "
        "of rows and columns",
        rows.begin, r.low, columns.begin, c.low));
  }
  if (!partial_windows && (r.low > rows.end || c.low > columns.end))
    node.refuse("its ceil_mode adds windows that lie partly outside; supported are windows that fit");
  // The padding that the file states, where it is one of those that do.
  const std::int64_t end =
      std::clamp(rows.begin == rows.end ? rows.end : std::min(rows.end, columns.end), low, high);
  return {static_cast<int>(rows.stride), static_cast<int>(rows.begin), static_cast<int>(end), rows.positions,
          columns.positions};
}

}  // namespace bitloop::quant::importer
