#include "quant/onnx/window.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace bitloop::quant::importer {
namespace {

constexpr std::int64_t kLargestStep = 255;  // stride and padding, as descriptors hold them

/// A window along rows or columns.
struct Extent {
  std::int64_t size = 1, kernel = 1, stride = 1, dilation = 1;
  std::int64_t begin = 0, end = 0;                ///< the node's own padding
  std::int64_t begin_before = 0, end_before = 0;  ///< that of a Pad node before it
  std::int64_t beyond = 0;  ///< rows or columns behind all padding, which ceil_mode adds
  std::int64_t positions = 0;

  [[nodiscard]] std::int64_t span() const { return (kernel - 1) * dilation + 1; }
  [[nodiscard]] std::int64_t all_begin() const { return begin + begin_before; }
  [[nodiscard]] std::int64_t all_end() const { return end + end_before + beyond; }
};

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
  const std::int64_t total = std::max<std::int64_t>((positions - 1) * e.stride + e.span() - e.size, 0);
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
  rows.begin = pads[0];
  columns.begin = pads[1];
  rows.end = pads[2];
  columns.end = pads[3];
  rows.begin_before = before.top;
  columns.begin_before = before.left;
  rows.end_before = before.bottom;
  columns.end_before = before.right;
}

/// Positions of the window; `ceil` counts a last one that begins inside and ends outside.
void count_positions(const Node& node, Extent& e, bool ceil) {
  const std::int64_t padded = e.size + e.all_begin() + e.all_end(), room = padded - e.span();
  if (room < 0) node.refuse(fmt::format("its kernel of {} is larger than its padded input", e.kernel));
  e.positions = (ceil ? room + e.stride - 1 : room) / e.stride + 1;
  if (ceil && (e.positions - 1) * e.stride >= e.size + e.all_begin()) --e.positions;
  e.beyond = std::max<std::int64_t>((e.positions - 1) * e.stride + e.span() - padded, 0);
  if (e.all_begin() > kLargestStep || e.all_end() > kLargestStep)
    node.refuse(fmt::format("it is padded by {} and {}; supported pads are 0..{}", e.all_begin(), e.all_end(),
                            kLargestStep));
}

int as_int(std::int64_t value) { return static_cast<int>(value); }

}  // namespace

WindowShape window_shape(const Node& node, const host::Shape& shape, const Pads& pads,
                         std::int64_t kernel_height, std::int64_t kernel_width) {
  const auto strides = two(node, "strides"), dilations = two(node, "dilations");
  for (const std::int64_t step : {strides[0], strides[1], dilations[0], dilations[1]})
    if (step < 1 || step > kLargestStep)
      node.refuse(fmt::format("supported strides and dilations are 1..{}", kLargestStep));
  Extent rows{shape.height, kernel_height, strides[0], dilations[0]},
      columns{shape.width, kernel_width, strides[1], dilations[1]};
  set_pads(node, pads, rows, columns);
  const bool ceil = node.integer("ceil_mode", 0) != 0;
  count_positions(node, rows, ceil);
  count_positions(node, columns, ceil);
  // A stride that is never taken, and a dilation of one tap, may be any.
  if (rows.positions == 1) rows.stride = columns.stride;
  if (columns.positions == 1) columns.stride = rows.stride;
  for (Extent* e : {&rows, &columns})
    if (e->kernel == 1) e->dilation = 1;
  WindowShape window;
  window.window = {as_int(kernel_height),
                   as_int(kernel_width),
                   {as_int(rows.stride), as_int(columns.stride)},
                   {as_int(rows.dilation), as_int(columns.dilation)},
                   {as_int(rows.all_begin()), as_int(columns.all_begin()), as_int(rows.all_end()),
                    as_int(columns.all_end())}};
  window.own = {as_int(rows.begin), as_int(columns.begin), as_int(rows.end + rows.beyond),
                as_int(columns.end + columns.beyond)};
  window.beyond = {0, 0, as_int(rows.beyond), as_int(columns.beyond)};
  window.height = rows.positions;
  window.width = columns.positions;
  return window;
}

void set_window(host::Layer& layer, const host::Window& window) {
  layer.kernel_height = window.height;
  layer.kernel_width = window.width;
  layer.stride = window.stride;
  layer.dilation = window.dilation;
  layer.pad = window.pad;
}

}  // namespace bitloop::quant::importer
