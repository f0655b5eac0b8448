#include "quant/tensor/window.h"

namespace bitloop::quant {

at::Tensor interleaved(const std::vector<at::Tensor>& parts, const host::Steps& steps) {
  const at::Tensor& first = parts.front();
  at::Tensor result = at::empty(
      {first.size(0), first.size(1), first.size(2) * steps.y, first.size(3) * steps.x}, first.options());
  for (std::size_t i = 0; i < parts.size(); ++i)
    phase(result, steps, static_cast<std::int64_t>(i)).copy_(parts[i]);
  return result;
}

at::Tensor counted_taps(const host::Layer& layer, const at::Tensor& x) {
  const host::Shape in{1, static_cast<int>(x.size(2)), static_cast<int>(x.size(3))};
  const host::Shape out = layer.window().over(in);
  std::vector<float> counts;
  for (int row = 0; row < out.height; ++row)
    for (int column = 0; column < out.width; ++column)
      counts.push_back(static_cast<float>(host::counted_taps(layer, in, row, column)));
  return at::tensor(counts).view({1, 1, out.height, out.width}).to(x.device());
}

}  // namespace bitloop::quant
