#pragma once

#include <memory>

#include "agent/evaluation/evaluator.h"
#include "host/driver/pool.h"
#include "quant/model/quantized_model.h"
#include "quant/retraining/quantizer.h"

namespace bitloop::agent {

/// The policy's integers after retraining; where that diverges, before it, so that one policy does not end a
/// search. Where it diverges at 8 bits the options are wrong: quant::Diverged.
quant::QuantizedModel retrained_or_not(const quant::Quantizer& quantizer, const host::Policy& policy,
                                       quant::Retraining retraining, quant::CodeMemory* memory = nullptr);

/// The real evaluation of a policy: retrains the network under it, takes the accuracy of its integers on the
/// reward split from the integer reference, and the cycles of those very integers, compiled, from the device.
/// Where nothing is retrained, what policies share up to their first different layer is computed once, from a
/// memory of this evaluator's own (at most quant::CodeMemory::kMostBytes), which changes no outcome. One
/// thread at a time; several may share a quantizer, which trains on the calling thread, and devices.
class QuantEvaluator : public Evaluator {
 public:
  /// `reference_cycles`: cycles at w8a8. The split must outlive this.
  QuantEvaluator(std::shared_ptr<const quant::Quantizer> quantizer, const quant::Split& reward_split,
                 const quant::Retraining& retraining, std::shared_ptr<host::DevicePool> devices,
                 host::Cycles reference_cycles);

  std::vector<Outcome> evaluate(std::span<const host::Policy> policies) override;

 private:
  Outcome evaluate(const host::Policy& policy);

  std::shared_ptr<const quant::Quantizer> quantizer_;
  const quant::Split& reward_split_;
  quant::Retraining retraining_;
  quant::CodeMemory memory_;
  std::shared_ptr<host::DevicePool> devices_;
  host::Cycles reference_cycles_;
};

}  // namespace bitloop::agent
