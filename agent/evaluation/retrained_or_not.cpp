#include "agent/evaluation/retrained_or_not.h"

#include <algorithm>

namespace bitloop::agent {

quant::QuantizedModel retrained_or_not(const quant::Quantizer& quantizer, const host::Policy& policy,
                                       quant::Retraining retraining, quant::CodeMemory* memory) {
  try {
    return quantizer.quantize(policy, retraining, {}, memory);
  } catch (const quant::Diverged&) {
    const bool widest = std::ranges::all_of(policy.layers, [](const host::LayerBits& bits) {
      return bits.weight_bits == 8 && bits.input_bits == 8;
    });
    if (widest) throw;
    retraining.epochs = 0;
    return quantizer.quantize(policy, retraining, {}, memory);
  }
}

}  // namespace bitloop::agent
