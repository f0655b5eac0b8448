#include "quant/tensor/window.h"

#include <vector>

namespace bitloop::quant {

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
