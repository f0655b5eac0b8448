#include "quant/retraining/weight_rounding.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "quant/quantizers/encoding.h"
#include "quant/vectorized.h"

namespace bitloop::quant {
namespace {

BITLOOP_VECTORIZED void round_row(const float* ratio, std::int64_t count, WeightRounding to, float sign,
                                  float* values) {
  const float per_spacing = 1 / to.spacing;
  for (std::int64_t i = 0; i < count; ++i) {
    const float cell = std::min(std::max(std::floor(ratio[i] * per_spacing + to.before), to.low), to.high);
    values[i] = (cell * to.spacing + to.shift) * sign;
  }
}

BITLOOP_VECTORIZED void gradient_row(const float* g, const float* ratio, const float* values,
                                     std::int64_t count, float limit, float sign, float* g_ratio,
                                     float* product) {
  for (std::int64_t i = 0; i < count; ++i) {
    g_ratio[i] = std::abs(ratio[i]) <= limit ? g[i] * sign : 0.0F;
    product[i] = g[i] * values[i];
  }
}

/// [filter] to a shape that multiplies [filter, ...].
at::Tensor column(const at::Tensor& per_filter, const at::Tensor& like) {
  return like.dim() == 4 ? per_filter.view({-1, 1, 1, 1}) : per_filter.view({-1, 1});
}

bool fast(const at::Tensor& t) { return t.is_cpu() && t.scalar_type() == at::kFloat; }

}  // namespace

at::Tensor round_weights(const at::Tensor& ratio, const at::Tensor& sign, int bits) {
  if (!fast(ratio)) return weight_values(ratio, bits).mul_(column(sign, ratio));
  const at::Tensor from = ratio.contiguous(), signs = sign.contiguous();
  at::Tensor values = at::empty_like(from);
  const std::int64_t filters = from.size(0), count = from.numel() / filters;
  for (std::int64_t f = 0; f < filters; ++f) {
    round_row(from.data_ptr<float>() + f * count, count, weight_rounding(bits), signs.data_ptr<float>()[f],
              values.data_ptr<float>() + f * count);
  }
  return values;
}

WeightGradient weight_gradient(const at::Tensor& gradient, const at::Tensor& ratio, const at::Tensor& values,
                               const at::Tensor& sign, int bits) {
  if (!fast(ratio)) return {gradient * column(sign, ratio) * weight_pass(ratio, bits), gradient * values};
  const at::Tensor g = gradient.contiguous(), from = ratio.contiguous(), rounded = values.contiguous(),
                   signs = sign.contiguous();
  WeightGradient result{at::empty_like(from), at::empty_like(from)};
  const std::int64_t filters = from.size(0), count = from.numel() / filters;
  for (std::int64_t f = 0; f < filters; ++f) {
    const std::int64_t first = f * count;
    gradient_row(g.data_ptr<float>() + first, from.data_ptr<float>() + first,
                 rounded.data_ptr<float>() + first, count, weight_rounding(bits).limit,
                 signs.data_ptr<float>()[f], result.ratio.data_ptr<float>() + first,
                 result.product.data_ptr<float>() + first);
  }
  return result;
}

}  // namespace bitloop::quant
