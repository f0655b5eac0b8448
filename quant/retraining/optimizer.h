#pragma once

#include <string_view>

#include "quant/retraining/parameters.h"

namespace bitloop::quant {

/// Adam, or gradient descent with momentum, over all parameters at once; each has its own share of the rate.
class Optimizer {
 public:
  /// `adam` or `sgd`; InputError for other names.
  Optimizer(std::string_view name, const Parameters& parameters);
  void step(Parameters& parameters, double rate);

 private:
  void adam(Parameters& parameters, double rate);
  void descend(Parameters& parameters, double rate);

  bool is_adam_;
  at::Tensor first_moment_, second_moment_;
  std::int64_t updates_ = 0;
};

}  // namespace bitloop::quant
