#include "quant/retraining/optimizer.h"

#include <fmt/format.h>

#include <cmath>

#include "host/base/error.h"
#include "quant/tensor/vectorized.h"

namespace bitloop::quant {
namespace {

// Adam (Kingma & Ba 2015); a short run wants a shorter memory of squares than 0.999.
constexpr double kFirstDecay = 0.9;
constexpr double kSecondDecay = 0.99;
constexpr double kAdamEpsilon = 1e-8;
constexpr double kMomentum = 0.9;
// Adam's steps have the size of the rate, those of gradient descent the size of the gradients: so much larger
// a rate makes them alike.
constexpr double kDescentFactor = 10;

/// One step of Adam in one pass over memory.
BITLOOP_VECTORIZED void adam_row(const float* __restrict gradients, const float* __restrict rates,
                                 std::int64_t count, float per_deviation, float rate, float* __restrict first,
                                 float* __restrict second, float* __restrict values) {
  constexpr auto kFirst = static_cast<float>(kFirstDecay), kSecond = static_cast<float>(kSecondDecay);
  constexpr auto kEpsilon = static_cast<float>(kAdamEpsilon);
  for (std::int64_t i = 0; i < count; ++i) {
    first[i] = first[i] * kFirst + gradients[i] * (1 - kFirst);
    second[i] = second[i] * kSecond + gradients[i] * gradients[i] * (1 - kSecond);
    values[i] -= rate * (first[i] * rates[i]) / (std::sqrt(second[i]) * per_deviation + kEpsilon);
  }
}

}  // namespace

Optimizer::Optimizer(std::string_view name, const Parameters& parameters)
    : is_adam_(name == "adam"), first_moment_(at::zeros_like(parameters.values)) {
  if (!is_adam_ && name != "sgd")
    throw InputError(fmt::format("no optimizer is called {}: choose adam or sgd", name));
  if (is_adam_) second_moment_ = at::zeros_like(parameters.values);
}

void Optimizer::step(Parameters& parameters, double rate) {
  ++updates_;
  is_adam_ ? adam(parameters, rate) : descend(parameters, rate);
}

void Optimizer::adam(Parameters& parameters, double rate) {
  const at::Tensor& gradients = parameters.gradients;
  const double first = 1 - std::pow(kFirstDecay, static_cast<double>(updates_));
  const double second = 1 - std::pow(kSecondDecay, static_cast<double>(updates_));
  if (gradients.is_cpu()) {
    adam_row(gradients.data_ptr<float>(), parameters.rates.data_ptr<float>(), gradients.numel(),
             static_cast<float>(1 / std::sqrt(second)), static_cast<float>(rate / first),
             first_moment_.data_ptr<float>(), second_moment_.data_ptr<float>(),
             parameters.values.data_ptr<float>());
    return;
  }
  first_moment_.mul_(kFirstDecay).add_(gradients, 1 - kFirstDecay);
  second_moment_.mul_(kSecondDecay).addcmul_(gradients, gradients, 1 - kSecondDecay);
  const at::Tensor divisor = second_moment_.sqrt().mul_(1 / std::sqrt(second)).add_(kAdamEpsilon);
  parameters.values.addcdiv_(first_moment_ * parameters.rates, divisor, -rate / first);
}

void Optimizer::descend(Parameters& parameters, double rate) {
  first_moment_.mul_(kMomentum).add_(parameters.gradients);
  parameters.values.addcmul_(first_moment_, parameters.rates, -rate * kDescentFactor);
}

}  // namespace bitloop::quant
