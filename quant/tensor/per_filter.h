#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace bitloop::quant {

/// A number per filter, [filter], to a shape that multiplies weights [filter, ...].
inline at::Tensor column(const at::Tensor& numbers, const at::Tensor& weights) {
  std::vector<std::int64_t> sizes(static_cast<std::size_t>(weights.dim()), 1);
  sizes.front() = -1;
  return numbers.view(sizes);
}

/// A number per filter, or one for all, to a shape that multiplies results [image, filter, ...].
inline at::Tensor channel(const at::Tensor& numbers, const at::Tensor& results) {
  std::vector<std::int64_t> sizes(static_cast<std::size_t>(results.dim()), 1);
  sizes.at(1) = -1;
  return numbers.view(sizes);
}

/// Whether the channels of [image, channel, row, column] lie side by side in memory, and not also the rows.
inline bool pixels_in_rows(const at::Tensor& t) {
  return t.dim() == 4 && !t.is_contiguous() && t.is_contiguous(at::MemoryFormat::ChannelsLast);
}

/// After so many numbers of such pixels channels repeat: a multiple of `channels` that keeps vector units
/// busy.
inline std::int64_t channel_period(std::int64_t channels) {
  constexpr std::int64_t kLeast = 64;
  return channels * std::max<std::int64_t>(1, kLeast / channels);
}

/// `formula(a[f], b[f], ...)` for each filter f of float vectors of one length. On the CPU, where a layer's
/// few numbers in one pass cost less than one LibTorch operation; vectors of another device are copied there,
/// and the result back to the first one's.
template <typename Formula, typename... Rest>
at::Tensor per_filter(const Formula& formula, const at::Tensor& first, const Rest&... rest) {
  TORCH_CHECK(((rest.numel() == first.numel()) && ...), "vectors of different lengths");
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
