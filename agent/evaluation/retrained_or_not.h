#pragma once

#include "quant/model/quantized_model.h"
#include "quant/retraining/quantizer.h"

namespace bitloop::agent {

/// The policy's integers after retraining; where that diverges, before it, so that one policy does not end a
/// search. Where it diverges at 8 bits the options are wrong: quant::Diverged. `memory`: of what policies
/// share that are not retrained; or null.
quant::QuantizedModel retrained_or_not(const quant::Quantizer& quantizer, const host::Policy& policy,
                                       quant::Retraining retraining, quant::CodeMemory* memory = nullptr);

}  // namespace bitloop::agent
