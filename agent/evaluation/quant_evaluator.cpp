#include "agent/evaluation/quant_evaluator.h"

#include <algorithm>
#include <chrono>

#include "host/compiler/compiler.h"
#include "quant/reference/integer_reference.h"

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

QuantEvaluator::QuantEvaluator(std::shared_ptr<const quant::Quantizer> quantizer,
                               const quant::Split& reward_split, const quant::Retraining& retraining,
                               std::shared_ptr<host::DevicePool> devices, host::Cycles reference_cycles)
    : quantizer_(std::move(quantizer)),
      reward_split_(reward_split),
      retraining_(retraining),
      devices_(std::move(devices)),
      reference_cycles_(reference_cycles) {}

std::vector<Outcome> QuantEvaluator::evaluate(std::span<const host::Policy> policies) {
  std::vector<Outcome> outcomes;
  for (const host::Policy& policy : policies) outcomes.push_back(evaluate(policy));
  return outcomes;
}

Outcome QuantEvaluator::evaluate(const host::Policy& policy) {
  const auto start = std::chrono::steady_clock::now();
  // What is retrained shares nothing: asking would cost time.
  quant::CodeMemory* memory = retraining_.epochs == 0 ? &memory_ : nullptr;
  const quant::QuantizedModel model = retrained_or_not(*quantizer_, policy, retraining_, memory);
  const quant::Accuracy accuracy = quant::IntegerReference(model.integers)
                                       .accuracy(reward_split_, model.output_scale(), /*threads=*/1, memory);
  const auto job = std::make_shared<const host::Job>(host::compile(model.integers, devices_->hardware()));
  const auto image =
      std::span(reward_split_.pixels).first(static_cast<std::size_t>(job->image_shape.elements()));
  Outcome outcome{.accuracy = accuracy.accuracy, .loss = accuracy.loss};
  devices_->run([&](host::Driver& driver) {
    driver.load(job);
    outcome.cycles = driver.run(image).cycles();
  });
  outcome.cost_ratio = static_cast<double>(outcome.cycles) / static_cast<double>(reference_cycles_);
  outcome.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return outcome;
}

}  // namespace bitloop::agent
