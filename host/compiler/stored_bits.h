#pragma once

#include <vector>

#include "host/device/device.h"
#include "host/network/policy.h"

namespace bitloop::host {

/// The widths in which the forms of all tensors are stored: the policy's, but that codes of 1 bit take 2, the
/// upper plane zero, where their readers are no slower for it. Words of 1 bit hold 64 channels: where fewer
/// than half of them are there, weights of 1 bit take twice the words. `weight_bits`: per layer.
TensorBits stored_bits(const Network& network, const TensorBits& bits, const std::vector<int>& weight_bits,
                       const HardwareInfo& hardware);

}  // namespace bitloop::host
