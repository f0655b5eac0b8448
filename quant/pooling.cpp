#include "quant/pooling.h"

#include <algorithm>
#include <cmath>

namespace bitloop::quant {
namespace {

bool is_fast(const host::Layer& layer, const at::Tensor& x) {
  return layer.kernel_height == 2 && layer.kernel_width == 2 && layer.stride == 2 && layer.pad == 0 &&
         layer.padding_end() == 0 && x.size(2) % 2 == 0 && x.size(3) % 2 == 0 && x.is_cpu() &&
         x.scalar_type() == at::kFloat;
}

/// One output row from two input rows.
void pool_row(const float* upper, const float* lower, std::int64_t width, float* out) {
  for (std::int64_t i = 0; i < width; ++i)
    out[i] = std::max(std::max(upper[2 * i], upper[2 * i + 1]), std::max(lower[2 * i], lower[2 * i + 1]));
}

void pool_row(const float* upper, const float* lower, std::int64_t width, float* out, std::int64_t first,
              std::int64_t row_length, std::int64_t* indices) {
  for (std::int64_t i = 0; i < width; ++i) {
    // Branches would be mispredicted half of the time; these are selections.
    const bool right_up = upper[2 * i + 1] > upper[2 * i];
    const bool right_down = lower[2 * i + 1] > lower[2 * i];
    const float up = right_up ? upper[2 * i + 1] : upper[2 * i];
    const float down = right_down ? lower[2 * i + 1] : lower[2 * i];
    const bool below = down > up;
    out[i] = below ? down : up;
    const std::int64_t column = 2 * i + first;
    indices[i] = below ? column + row_length + right_down : column + right_up;
  }
}

/// Calls `row(upper, lower, output offset, index of the upper row's first element in its plane)` for all
/// output rows.
template <typename Row>
void for_rows(const at::Tensor& x, const Row& row) {
  const std::int64_t planes = x.size(0) * x.size(1), height = x.size(2), width = x.size(3);
  const float* data = x.data_ptr<float>();
  for (std::int64_t plane = 0; plane < planes; ++plane)
    for (std::int64_t y = 0; y < height; y += 2) {
      const float* upper = data + (plane * height + y) * width;
      row(upper, upper + width, (plane * height + y) / 2 * (width / 2), y * width);
    }
}

at::Tensor output_like(const at::Tensor& x, at::ScalarType type) {
  return at::empty({x.size(0), x.size(1), x.size(2) / 2, x.size(3) / 2}, x.options().dtype(type));
}

/// LibTorch pads both ends alike, by at most half a window.
bool pads_by_itself(const host::Layer& layer) {
  return layer.padding_end() == layer.pad &&
         2 * layer.pad <= std::min(layer.kernel_height, layer.kernel_width);
}

at::Tensor padded(const host::Layer& layer, const at::Tensor& x) {
  const std::int64_t before = layer.pad, after = layer.padding_end();
  return at::constant_pad_nd(x, {before, after, before, after}, -INFINITY);
}

}  // namespace

at::Tensor max_pool(const host::Layer& layer, const at::Tensor& x) {
  if (!pads_by_itself(layer))
    return at::max_pool2d(padded(layer, x), {layer.kernel_height, layer.kernel_width}, layer.stride);
  if (!is_fast(layer, x))
    return at::max_pool2d(x, {layer.kernel_height, layer.kernel_width}, layer.stride, layer.pad);
  const at::Tensor dense = x.contiguous();
  at::Tensor values = output_like(dense, at::kFloat);
  auto* out = values.data_ptr<float>();
  for_rows(dense, [&](const float* upper, const float* lower, std::int64_t offset, std::int64_t) {
    pool_row(upper, lower, values.size(3), out + offset);
  });
  return values;
}

Pooled max_pool_with_indices(const host::Layer& layer, const at::Tensor& x) {
  if (!pads_by_itself(layer)) {
    auto [values, indices] = at::max_pool2d_with_indices(
        padded(layer, x), {layer.kernel_height, layer.kernel_width}, layer.stride);
    return {values, indices};
  }
  if (!is_fast(layer, x)) {
    auto [values, indices] =
        at::max_pool2d_with_indices(x, {layer.kernel_height, layer.kernel_width}, layer.stride, layer.pad);
    return {values, indices};
  }
  const at::Tensor dense = x.contiguous();
  Pooled pooled{output_like(dense, at::kFloat), output_like(dense, at::kLong)};
  auto* out = pooled.values.data_ptr<float>();
  auto* indices = pooled.indices.data_ptr<std::int64_t>();
  for_rows(dense, [&](const float* upper, const float* lower, std::int64_t offset, std::int64_t first) {
    pool_row(upper, lower, pooled.values.size(3), out + offset, first, dense.size(3), indices + offset);
  });
  return pooled;
}

at::Tensor max_pool_gradient(const host::Layer& layer, const at::Tensor& gradient, const at::Tensor& x,
                             const at::Tensor& indices) {
  const std::int64_t stride = layer.stride;
  const auto unpooled = [&](const at::Tensor& from, std::int64_t pad) {
    return at::max_pool2d_with_indices_backward(gradient, from, {layer.kernel_height, layer.kernel_width},
                                                {stride, stride}, {pad, pad}, {1, 1}, false, indices);
  };
  if (pads_by_itself(layer)) return unpooled(x, layer.pad);
  return unpooled(padded(layer, x), 0).narrow(2, layer.pad, x.size(2)).narrow(3, layer.pad, x.size(3));
}

}  // namespace bitloop::quant
