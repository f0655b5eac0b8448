#pragma once

#include <cstdint>

#include "quant/onnx/draft.h"
#include "quant/onnx/node.h"

namespace bitloop::quant::importer {

/// The window of a Conv or pool as the hardware has it: one stride, one padding before and one after both
/// directions.
struct WindowShape {
  int stride = 1;
  int pad = 0;
  int pad_end = 0;
  std::int64_t height = 1, width = 1;  ///< of the result
};

/// What a node says of its window, `kernel_height` x `kernel_width` over `shape`; `pads` are those of a Pad
/// node before it. Throws InputError, naming the node, for what the hardware does not have: dilations,
/// strides or paddings that differ between rows and columns. `pad_end` may be less than what the node says
/// where no window reaches the rest, and more where `ceil_mode` adds a last, partial window: with
/// `partial_windows` false that is refused.
WindowShape window_shape(const Node& node, const host::Shape& shape, const Pads& pads,
                         std::int64_t kernel_height, std::int64_t kernel_width, bool partial_windows);

/// Whether the node itself pads, beside a Pad node before it.
bool pads_itself(const Node& node);

}  // namespace bitloop::quant::importer
