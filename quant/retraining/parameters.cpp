#include "quant/retraining/parameters.h"

namespace bitloop::quant {

void Parameters::add(Parameter& parameter, const at::Tensor& start, double rate) {
  slots_.push_back({&parameter, start, rate});
}

void Parameters::join() {
  std::vector<at::Tensor> starts, all_rates;
  for (const Slot& slot : slots_) {
    starts.push_back(slot.start.detach().flatten());
    all_rates.push_back(at::full({slot.start.numel()}, slot.rate, slot.start.options()));
  }
  values = at::cat(starts);
  rates = at::cat(all_rates);
  gradients = at::zeros_like(values);
  std::int64_t first = 0;
  for (const Slot& slot : slots_) {
    const std::int64_t count = slot.start.numel();
    slot.parameter->value = values.narrow(0, first, count).view(slot.start.sizes());
    slot.parameter->gradient = gradients.narrow(0, first, count).view(slot.start.sizes());
    first += count;
  }
  slots_.clear();
}

}  // namespace bitloop::quant
