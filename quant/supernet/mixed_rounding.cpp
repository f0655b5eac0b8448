#include "quant/supernet/mixed_rounding.h"

#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "quant/retraining/rounding.h"
#include "quant/tensor/vectorized.h"

namespace bitloop::quant {
namespace {

/// Numbers that stay in a core's nearest cache while one form after the other is added; sums over them are
/// formed in float, beyond them in double.
constexpr std::int64_t kBlock = 1024;

/// A form with its share, as the loops take it.
struct Part {
  float share, scale, per_scale, low, high;
};

BITLOOP_VECTORIZED void add_rounded(const float* x, std::int64_t count, Part part, float* y) {
  const float step = part.share * part.scale;
  for (std::int64_t i = 0; i < count; ++i) {
    const float code = std::floor(x[i] * part.per_scale + 0.5F);
    y[i] += step * std::min(std::max(code, part.low), part.high);
  }
}

/// Adds to the gradient of x, and returns that of the share.
BITLOOP_VECTORIZED float add_gradient_of(const float* g, const float* x, std::int64_t count, Part part,
                                         float* g_x) {
  float products = 0;
#pragma omp simd reduction(+ : products)
  for (std::int64_t i = 0; i < count; ++i) {
    const float exact = x[i] * part.per_scale;
    const float code = std::min(std::max(std::floor(exact + 0.5F), part.low), part.high);
    g_x[i] += exact >= part.low && exact <= part.high ? part.share * g[i] : 0.0F;
    products += g[i] * code;
  }
  return products * part.scale;
}

std::vector<Part> parts_of(const at::Tensor& shares, const std::vector<RoundedForm>& forms) {
  std::vector<Part> parts;
  for (std::size_t i = 0; i < forms.size(); ++i) {
    const RoundedForm& form = forms[i];
    parts.push_back({static_cast<float>(shares.data_ptr<double>()[i]), static_cast<float>(form.scale),
                     static_cast<float>(1 / form.scale), static_cast<float>(form.range.low),
                     static_cast<float>(form.range.high)});
  }
  return parts;
}

class MixedRounding : public torch::autograd::Function<MixedRounding> {
 public:
  using Context = torch::autograd::AutogradContext;

  static at::Tensor forward(Context* context, const at::Tensor& given, const at::Tensor& shares,
                            const std::vector<RoundedForm>& forms) {
    const at::Tensor x = given.contiguous(given.suggest_memory_format());
    context->save_for_backward({x, shares});
    std::vector<double> numbers;
    for (const RoundedForm& form : forms)
      numbers.insert(numbers.end(),
                     {form.scale, static_cast<double>(form.range.low), static_cast<double>(form.range.high)});
    context->saved_data["forms"] = numbers;
    at::Tensor y = at::zeros_like(x);
    if (!has_kernels(x)) {
      for (std::size_t i = 0; i < forms.size(); ++i) {
        const double scale = forms[i].scale;
        const at::Tensor code =
            x.div(scale).add_(0.5).floor_().clamp_(forms[i].range.low, forms[i].range.high);
        y.add_(code, shares.data_ptr<double>()[i] * scale);
      }
      return y;
    }
    const std::vector<Part> parts = parts_of(shares, forms);
    for (std::int64_t first = 0; first < x.numel(); first += kBlock) {
      const std::int64_t count = std::min(kBlock, x.numel() - first);
      for (const Part& part : parts)
        add_rounded(x.data_ptr<float>() + first, count, part, y.data_ptr<float>() + first);
    }
    return y;
  }

  static torch::autograd::variable_list backward(Context* context, torch::autograd::variable_list above) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &shares = saved[1];
    std::vector<RoundedForm> forms;
    const std::vector<double> numbers = context->saved_data["forms"].toDoubleVector();
    for (std::size_t i = 0; i < numbers.size(); i += 3)
      forms.push_back({numbers[i],
                       {.low = static_cast<std::int32_t>(numbers[i + 1]),
                        .high = static_cast<std::int32_t>(numbers[i + 2])}});
    const at::Tensor g = above[0].contiguous(x.suggest_memory_format());
    at::Tensor g_x = at::zeros_like(x), g_shares = at::zeros_like(shares);
    auto* of_shares = g_shares.data_ptr<double>();
    if (!has_kernels(x)) {
      for (std::size_t i = 0; i < forms.size(); ++i) {
        const auto& [scale, range] = forms[i];
        const at::Tensor exact = x.div(scale);
        const at::Tensor code = exact.add(0.5).floor_().clamp_(range.low, range.high);
        const at::Tensor inside = exact.ge(range.low).logical_and_(exact.le(range.high));
        g_x.add_(g * inside, shares.data_ptr<double>()[i]);
        of_shares[i] = (g * code).sum(at::kDouble).item<double>() * scale;
      }
      return {g_x, g_shares, {}};
    }
    const std::vector<Part> parts = parts_of(shares, forms);
    for (std::int64_t first = 0; first < x.numel(); first += kBlock) {
      const std::int64_t count = std::min(kBlock, x.numel() - first);
      for (std::size_t i = 0; i < parts.size(); ++i)
        of_shares[i] += add_gradient_of(g.data_ptr<float>() + first, x.data_ptr<float>() + first, count,
                                        parts[i], g_x.data_ptr<float>() + first);
    }
    return {g_x, g_shares, {}};
  }
};

}  // namespace

at::Tensor mixed_rounding(const at::Tensor& x, const at::Tensor& shares,
                          const std::vector<RoundedForm>& forms) {
  return MixedRounding::apply(x, shares, forms);
}

}  // namespace bitloop::quant
