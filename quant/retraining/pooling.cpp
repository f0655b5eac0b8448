#include "quant/retraining/pooling.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "quant/reference/window_sums.h"
#include "quant/retraining/rounding.h"
#include "quant/tensor/per_filter.h"
#include "quant/tensor/window.h"

namespace bitloop::quant {
namespace {

bool is_fast(const host::Layer& layer, const at::Tensor& x) {
  return layer.kernel_height == 2 && layer.kernel_width == 2 && layer.stride == host::Steps(2) &&
         layer.dilation == host::Steps() && !layer.pad.any() && x.size(2) % 2 == 0 && x.size(3) % 2 == 0 &&
         x.is_cpu() && x.scalar_type() == at::kFloat;
}

/// One output row from two input rows.
void pool_row(const float* upper, const float* lower, std::int64_t width, float* out) {
  for (std::int64_t i = 0; i < width; ++i)
    out[i] = std::max(std::max(upper[2 * i], upper[2 * i + 1]), std::max(lower[2 * i], lower[2 * i + 1]));
}

/// The gradient of one output row to those of two input rows. Selections, no branches: those would be
/// mispredicted half of the time.
void unpool_row(const float* gradient, const float* upper, const float* lower, std::int64_t width,
                float* to_upper, float* to_lower) {
  for (std::int64_t i = 0; i < width; ++i) {
    const float a = upper[2 * i], b = upper[2 * i + 1], c = lower[2 * i], d = lower[2 * i + 1];
    const float up = b > a ? b : a, down = d > c ? d : c;
    const float g_up = down > up ? 0.0F : gradient[i], g_down = down > up ? gradient[i] : 0.0F;
    to_upper[2 * i] = b > a ? 0.0F : g_up;
    to_upper[2 * i + 1] = b > a ? g_up : 0.0F;
    to_lower[2 * i] = d > c ? 0.0F : g_down;
    to_lower[2 * i + 1] = d > c ? g_down : 0.0F;
  }
}

/// The same of one window of pixels whose channels lie side by side, by products with 0 and 1: of few
/// channels compilers make branches.
void unpool_pixels(const float* __restrict gradient, const float* __restrict upper,
                   const float* __restrict lower, std::int64_t channels, float* __restrict to_upper,
                   float* __restrict to_lower) {
  for (std::int64_t c = 0; c < channels; ++c) {
    const float a = upper[c], b = upper[channels + c], d = lower[c], e = lower[channels + c];
    const auto right_above = static_cast<float>(b > a), right_below = static_cast<float>(e > d);
    const auto below = static_cast<float>(std::max(d, e) > std::max(a, b));
    const float g_down = gradient[c] * below, g_up = gradient[c] - g_down;
    const float g_b = g_up * right_above, g_e = g_down * right_below;
    to_upper[c] = g_up - g_b;
    to_upper[channels + c] = g_b;
    to_lower[c] = g_down - g_e;
    to_lower[channels + c] = g_e;
  }
}

at::Tensor unpooled_pixels(const at::Tensor& gradient, const at::Tensor& x) {
  const at::Tensor g = gradient.contiguous(at::MemoryFormat::ChannelsLast);
  at::Tensor below = at::empty_like(x);
  const std::int64_t channels = x.size(1), row = x.size(3) * channels, rows = x.size(0) * x.size(2) / 2;
  const float* above = g.data_ptr<float>();
  for (std::int64_t y = 0; y < rows; ++y) {
    const float* upper = x.data_ptr<float>() + 2 * y * row;
    float* to = below.data_ptr<float>() + 2 * y * row;
    for (std::int64_t i = 0; i < row; i += 2 * channels, above += channels)
      unpool_pixels(above, upper + i, upper + row + i, channels, to + i, to + row + i);
  }
  return below;
}

/// Calls `row(first element of the upper input row, first element of the output row)` for all output rows;
/// the lower input row follows the upper one.
template <typename Row>
void for_rows(const at::Tensor& x, const Row& row) {
  const std::int64_t rows = x.size(0) * x.size(1) * x.size(2) / 2, width = x.size(3);
  for (std::int64_t y = 0; y < rows; ++y) row(2 * y * width, y * (width / 2));
}

}  // namespace

at::Tensor max_pool(const host::Layer& layer, const at::Tensor& x) {
  if (pixels_in_rows(x) && has_kernels(x)) return window_maxima(layer, x);
  if (!is_fast(layer, x)) {
    const bool by_libtorch = pools_padded(layer.window());
    return at::max_pool2d(by_libtorch ? x : padded(x, layer.pad, -INFINITY), kernel_of(layer.window()),
                          sides(layer.stride), own_padding(layer.pad, by_libtorch), sides(layer.dilation));
  }
  const at::Tensor dense = x.contiguous();
  at::Tensor values = at::empty({x.size(0), x.size(1), x.size(2) / 2, x.size(3) / 2}, x.options());
  const float* from = dense.data_ptr<float>();
  auto* to = values.data_ptr<float>();
  const std::int64_t width = x.size(3);
  for_rows(dense, [&](std::int64_t upper, std::int64_t out) {
    pool_row(from + upper, from + upper + width, width / 2, to + out);
  });
  return values;
}

at::Tensor max_pool_gradient(const host::Layer& layer, const at::Tensor& gradient, const at::Tensor& x) {
  if (!is_fast(layer, x)) {
    const bool by_libtorch = pools_padded(layer.window());
    const at::Tensor from = by_libtorch ? x : padded(x, layer.pad, -INFINITY);
    const TwoSides kernel = kernel_of(layer.window()), stride = sides(layer.stride),
                   pad = own_padding(layer.pad, by_libtorch), dilation = sides(layer.dilation);
    const at::Tensor indices = std::get<1>(at::max_pool2d_with_indices(from, kernel, stride, pad, dilation));
    const at::Tensor below = at::max_pool2d_with_indices_backward(gradient.contiguous(), from, kernel, stride,
                                                                  pad, dilation, false, indices);
    return by_libtorch ? below : unpadded(below, layer.pad);
  }
  if (pixels_in_rows(x)) return unpooled_pixels(gradient, x);
  const at::Tensor dense = x.contiguous(), above = gradient.contiguous();
  at::Tensor below = at::empty_like(dense);
  const float* from = dense.data_ptr<float>();
  const float* g = above.data_ptr<float>();
  auto* to = below.data_ptr<float>();
  const std::int64_t width = x.size(3);
  for_rows(dense, [&](std::int64_t upper, std::int64_t out) {
    unpool_row(g + out, from + upper, from + upper + width, width / 2, to + upper, to + upper + width);
  });
  return below;
}

}  // namespace bitloop::quant
