#pragma once

#include <compare>
#include <vector>

#include "host/device/device.h"
#include "host/network/policy.h"

namespace bitloop::host {

/// The widths in which the forms of all tensors are stored: the policy's, but that codes of 1 bit take 2, the
/// upper plane zero, where their readers are no slower for it. Words of 1 bit hold 64 channels: where fewer
/// than half of them are there, weights of 1 bit take twice the words. `weight_bits`: per layer.
TensorBits stored_bits(const Network& network, const TensorBits& bits, const std::vector<int>& weight_bits,
                       const HardwareInfo& hardware);

/// Forms of 1 bit that layers which keep codes join, so that all are stored alike.
struct OneBitForms {
  std::vector<int> forms;    ///< Form::index()
  std::vector<int> readers;  ///< layers with weights
};
/// But for the network's outputs, which keep their width.
std::vector<OneBitForms> one_bit_forms(const Network& network, const TensorBits& bits);
void widen(TensorBits& bits, const OneBitForms& ones);

/// What reading costs; of equal cycles, fewer words of weights count.
struct ReadCost {
  long cycles = 0;
  long weight_words = 0;
  auto operator<=>(const ReadCost&) const = default;
  ReadCost& operator+=(const ReadCost& other);
};
/// What it adds for a layer that reads codes of 1 bit that they take 2. Forms are widened where the sum over
/// their readers is below 0.
ReadCost cost_of_widening(const Network& network, int layer, const TensorBits& bits, int weight_bits,
                          const HardwareInfo& hardware);

}  // namespace bitloop::host
