#pragma once

#include <cstdint>

#include "quant/onnx/draft.h"
#include "quant/onnx/node.h"

namespace bitloop::quant::importer {

/// The window of a Conv or pool.
struct WindowShape {
  host::Window window;
  std::int64_t height = 1, width = 1;  ///< of the result
  /// Parts of `window.pad`, its outermost: what the node itself pads with, and of that what lies beyond all
  /// padding that the file states, where `ceil_mode` adds a last, partial window.
  host::Padding own, beyond;
};

/// What a node says of its window, `kernel_height` x `kernel_width` over `shape`; `pads` are those of a Pad
/// node before it. Throws InputError, naming the node, for what no network has.
WindowShape window_shape(const Node& node, const host::Shape& shape, const Pads& pads,
                         std::int64_t kernel_height, std::int64_t kernel_width);

void set_window(host::Layer& layer, const host::Window& window);

}  // namespace bitloop::quant::importer
