#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "host/network/network.h"

namespace bitloop::quant {

// A layer's window as LibTorch's functions take it.

using TwoSides = std::array<std::int64_t, 2>;  ///< of rows, of columns

inline TwoSides sides(const host::Steps& steps) { return {steps.y, steps.x}; }
inline TwoSides kernel_of(const host::Window& window) { return {window.height, window.width}; }

/// For constant_pad_nd: columns first.
inline std::array<std::int64_t, 4> pad_sides(const host::Padding& pad) {
  return {pad.left, pad.right, pad.top, pad.bottom};
}

/// Both ends of each direction are padded alike: convolutions of LibTorch take no other padding.
inline bool pads_evenly(const host::Padding& pad) { return pad.top == pad.bottom && pad.left == pad.right; }

/// LibTorch's pools take the padding: evenly, by at most half a window.
inline bool pools_padded(const host::Window& window) {
  const host::Padding& pad = window.pad;
  return pads_evenly(pad) && 2 * pad.top <= window.height && 2 * pad.left <= window.width;
}

/// The padding where LibTorch takes it itself, else none: then the tensor is padded before.
inline TwoSides own_padding(const host::Padding& pad, bool by_libtorch) {
  return by_libtorch ? TwoSides{pad.top, pad.left} : TwoSides{0, 0};
}

/// `x` with `value` around it.
inline at::Tensor padded(const at::Tensor& x, const host::Padding& pad, double value = 0) {
  return pad.any() ? at::constant_pad_nd(x, pad_sides(pad), value) : x;
}

/// What lies inside of the padding: `padded` backwards.
inline at::Tensor unpadded(const at::Tensor& x, const host::Padding& pad) {
  return x.narrow(2, pad.top, x.size(2) - pad.top - pad.bottom)
      .narrow(3, pad.left, x.size(3) - pad.left - pad.right);
}

/// Tensors of one shape side by side, `steps.y` x `steps.x` of them, in any memory format.
at::Tensor interleaved(const std::vector<at::Tensor>& parts, const host::Steps& steps);
/// One of them again: rows y, y + steps.y, ... and columns x, x + steps.x, ...
inline at::Tensor phase(const at::Tensor& x, const host::Steps& steps, std::int64_t part) {
  return x.slice(2, part / steps.x, {}, steps.y).slice(3, part % steps.x, {}, steps.x);
}

/// How many taps the windows of an average pool over [.., rows, columns] count, per position:
/// [1, 1, row, column], floats.
at::Tensor counted_taps(const host::Layer& layer, const at::Tensor& x);

}  // namespace bitloop::quant
