#include "quant/quantizers/input_patches.h"

#include <algorithm>

#include "quant/tensor/window.h"

namespace bitloop::quant {

at::Tensor input_patches(const host::Layer& layer, const at::Tensor& x, std::int64_t per_image) {
  if (layer.kind == host::LayerKind::linear) return x.flatten(1);
  constexpr std::int64_t kPrime = 7919;  // from one image's places to the next one's
  const host::Window w = layer.window();
  const at::Tensor padded = at::constant_pad_nd(x, pad_sides(w.pad));
  const std::int64_t images = padded.size(0), channels = padded.size(1);
  const std::int64_t rows = (padded.size(2) - w.span_height()) / w.stride.y + 1;
  const std::int64_t columns = (padded.size(3) - w.span_width()) / w.stride.x + 1;
  const std::int64_t count = std::min(per_image, rows * columns);

  const at::TensorOptions options = at::TensorOptions(x.device()).dtype(at::kLong);
  const at::Tensor image = at::arange(images, options).view({-1, 1, 1, 1, 1});
  const at::Tensor place =
      (at::arange(count, options).mul(rows * columns).floor_divide(count).view({1, -1, 1, 1, 1}) +
       image * kPrime)
          .remainder(rows * columns);
  const at::Tensor row = place.floor_divide(columns) * w.stride.y +
                         at::arange(w.height, options).mul(w.dilation.y).view({1, 1, 1, -1, 1});
  const at::Tensor column = place.remainder(columns) * w.stride.x +
                            at::arange(w.width, options).mul(w.dilation.x).view({1, 1, 1, 1, -1});
  const at::Tensor channel = at::arange(channels, options).view({1, 1, -1, 1, 1});
  const at::Tensor patches = padded.index({image, channel, row, column});
  const bool depthwise = layer.kind == host::LayerKind::depthwise;
  const std::int64_t groups = depthwise ? channels : layer.groups;
  if (depthwise || groups > 1)
    return patches.unflatten(2, {groups, -1})
        .permute({2, 0, 1, 3, 4, 5})
        .reshape({groups, images * count, -1})
        .contiguous();
  return patches.reshape({images * count, -1});
}

}  // namespace bitloop::quant
