#include "quant/retraining/windows.h"

#include "quant/tensor/window.h"

namespace bitloop::quant {

at::Tensor upsampled(const at::Tensor& x, const host::Steps& factor) {
  return x.repeat_interleave(factor.y, 2).repeat_interleave(factor.x, 3);
}

at::Tensor upsample_gradient(const at::Tensor& gradient, const host::Steps& factor) {
  const std::int64_t rows = gradient.size(2) / factor.y, columns = gradient.size(3) / factor.x;
  return gradient.reshape({gradient.size(0), gradient.size(1), rows, factor.y, columns, factor.x})
      .sum({3, 5});
}

at::Tensor window_sums(const host::Layer& layer, const at::Tensor& x) {
  return at::avg_pool2d(padded(x, layer.pad), kernel_of(layer.window()), sides(layer.stride), 0, false, true,
                        /*divisor_override=*/1);
}

at::Tensor window_sums_gradient(const host::Layer& layer, const at::Tensor& gradient, const at::Tensor& x) {
  const at::Tensor below =
      at::avg_pool2d_backward(gradient.contiguous(), padded(x, layer.pad), kernel_of(layer.window()),
                              sides(layer.stride), 0, false, true, /*divisor_override=*/1);
  return unpadded(below, layer.pad);
}

}  // namespace bitloop::quant
