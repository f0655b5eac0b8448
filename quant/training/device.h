#pragma once

#include <ATen/ATen.h>

namespace bitloop::quant {

/// Where networks train and are tested: CUDA where there is some, else the CPU; `BITLOOP_DEVICE=cpu` or
/// `cuda` decides instead. On CUDA, TF32 and non-deterministic convolutions are switched off for the process.
/// Throws InputError for another value, or for cuda where there is none.
at::Device training_device();

}  // namespace bitloop::quant
