#pragma once

#include <ATen/ATen.h>

#include "host/network/function.h"

namespace bitloop::quant {

/// The function of every number, in the precision of `x`.
at::Tensor function_of(const host::Function& function, const at::Tensor& x);

}  // namespace bitloop::quant
