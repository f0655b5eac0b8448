#pragma once

#include <ATen/ATen.h>

#include "host/network/network.h"
#include "quant/training/float_network.h"

namespace bitloop::quant {

/// What follows a layer's affine part.
at::Tensor activated(const host::Layer& layer, const at::Tensor& x);

/// Values kept to limits, halves to even; gradients pass through rounding.
at::Tensor limited(const host::Limits& limits, const at::Tensor& x);

/// Batch normalization of a layer's sums, then its activation. In training the statistics of the batch are
/// used, and the layer's own move a tenth of the way towards them.
///
/// On the CPU and for images whose channels lie side by side (channels-last), one fused pass forward and two
/// backward: as separate operations they cost MobileNet-V2 about as much as its convolutions. Sums are
/// formed in an order that does not depend on the number of threads.
at::Tensor normalized_and_activated(const host::Layer& layer, const FloatLayer& parameters,
                                    const at::Tensor& sums, bool training);

}  // namespace bitloop::quant
