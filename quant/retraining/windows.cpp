#include "quant/retraining/windows.h"

namespace bitloop::quant {

at::Tensor upsampled(const at::Tensor& x, std::int64_t factor) {
  return x.repeat_interleave(factor, 2).repeat_interleave(factor, 3);
}

at::Tensor upsample_gradient(const at::Tensor& gradient, std::int64_t factor) {
  const std::int64_t rows = gradient.size(2) / factor, columns = gradient.size(3) / factor;
  return gradient.reshape({gradient.size(0), gradient.size(1), rows, factor, columns, factor}).sum({3, 5});
}

at::Tensor window_sums(const host::Layer& layer, const at::Tensor& x) {
  const std::int64_t pad = layer.pad, end = layer.padding_end();
  const at::Tensor in = pad == 0 && end == 0 ? x : at::constant_pad_nd(x, {pad, end, pad, end});
  return at::avg_pool2d(in, {layer.kernel_height, layer.kernel_width}, layer.stride, 0, false, true,
                        /*divisor_override=*/1);
}

at::Tensor window_sums_gradient(const host::Layer& layer, const at::Tensor& gradient, const at::Tensor& x) {
  const std::int64_t pad = layer.pad, end = layer.padding_end();
  const at::Tensor in = pad == 0 && end == 0 ? x : at::constant_pad_nd(x, {pad, end, pad, end});
  const at::Tensor below =
      at::avg_pool2d_backward(gradient.contiguous(), in, {layer.kernel_height, layer.kernel_width},
                              layer.stride, 0, false, true, /*divisor_override=*/1);
  return below.narrow(2, pad, x.size(2)).narrow(3, pad, x.size(3));
}

}  // namespace bitloop::quant
