#include "quant/retraining/weight_rounding.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "quant/quantizers/encoding.h"
#include "quant/retraining/rounding.h"
#include "quant/tensor/per_filter.h"
#include "quant/tensor/vectorized.h"

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

BITLOOP_VECTORIZED void gradient_row(const float* g, const float* ratio, std::int64_t count, float limit,
                                     float sign, float* g_ratio) {
  for (std::int64_t i = 0; i < count; ++i) g_ratio[i] = std::abs(ratio[i]) <= limit ? g[i] * sign : 0.0F;
}

}  // namespace

at::Tensor round_weights(const at::Tensor& ratio, const at::Tensor& sign, int bits) {
  if (!has_kernels(ratio)) return weight_values(ratio, bits).mul_(column(sign, ratio));
  const at::Tensor from = ratio.contiguous(), signs = sign.contiguous();
  at::Tensor values = at::empty_like(from);
  const WeightRounding rounding = weight_rounding(bits);
  const std::int64_t filters = from.size(0), count = from.numel() / filters;
  for (std::int64_t f = 0; f < filters; ++f) {
    round_row(from.data_ptr<float>() + f * count, count, rounding, signs.data_ptr<float>()[f],
              values.data_ptr<float>() + f * count);
  }
  return values;
}

at::Tensor weight_gradient(const at::Tensor& gradient, const at::Tensor& ratio, const at::Tensor& sign,
                           int bits) {
  if (!has_kernels(ratio)) return gradient * column(sign, ratio) * weight_pass(ratio, bits);
  const at::Tensor g = gradient.contiguous(), from = ratio.contiguous(), signs = sign.contiguous();
  at::Tensor g_ratio = at::empty_like(from);
  const float limit = weight_rounding(bits).limit;
  const std::int64_t filters = from.size(0), count = from.numel() / filters;
  for (std::int64_t f = 0; f < filters; ++f) {
    gradient_row(g.data_ptr<float>() + f * count, from.data_ptr<float>() + f * count, count, limit,
                 signs.data_ptr<float>()[f], g_ratio.data_ptr<float>() + f * count);
  }
  return g_ratio;
}

}  // namespace bitloop::quant
