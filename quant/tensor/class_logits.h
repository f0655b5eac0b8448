#pragma once

#include <ATen/ATen.h>

namespace bitloop::quant {

/// [image, class] from a network's results: one number is the logit of the second of two classes.
inline at::Tensor class_logits(const at::Tensor& results) {
  const at::Tensor rows = results.flatten(1);
  return rows.size(1) == 1 ? at::cat({at::zeros_like(rows), rows}, 1) : rows;
}

/// The gradient of the results, from that of the logits.
inline at::Tensor gradient_of_results(const at::Tensor& gradient, const at::Tensor& results) {
  return results.flatten(1).size(1) == 1 ? gradient.narrow(1, 1, 1) : gradient;
}

}  // namespace bitloop::quant
