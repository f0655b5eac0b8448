#pragma once

#include <ATen/ATen.h>

#include <vector>

namespace bitloop::quant {

/// A trained tensor and its gradient: views into the flat vectors of all parameters.
struct Parameter {
  at::Tensor value, gradient;
};

/// All parameters as one vector, so that an optimizer's step is a handful of operations whatever the network.
class Parameters {
 public:
  /// `parameter` (which must outlive `join`) starts at `start` and moves at `rate` times the learning rate.
  void add(Parameter& parameter, const at::Tensor& start, double rate);
  /// After the last `add`: makes the parameters views.
  void join();

  at::Tensor values, gradients, rates;  ///< [element]

 private:
  struct Slot {
    Parameter* parameter;
    at::Tensor start;
    double rate;
  };
  std::vector<Slot> slots_;
};

}  // namespace bitloop::quant
