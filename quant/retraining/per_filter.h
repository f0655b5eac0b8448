#pragma once

#include <ATen/ATen.h>

#include <cstdint>

namespace bitloop::quant {

/// `formula(a[f], b[f], ...)` for each filter f of float vectors, on the CPU: a layer has few filters, and
/// one pass over them costs less than one LibTorch operation. The result is on the first one's device.
template <typename Formula, typename... Rest>
at::Tensor per_filter(const Formula& formula, const at::Tensor& first, const Rest&... rest) {
  const at::Tensor anchor = first.to(at::kCPU).contiguous();
  at::Tensor result = at::empty_like(anchor);
  const auto fill = [&](const auto&... vectors) {
    float* out = result.data_ptr<float>();
    const auto compute = [&](const auto*... values) {
      for (std::int64_t f = 0; f < result.numel(); ++f) out[f] = formula(values[f]...);
    };
    compute(vectors.template data_ptr<float>()...);
  };
  fill(anchor, rest.to(at::kCPU).contiguous()...);
  return result.to(first.device());
}

}  // namespace bitloop::quant
