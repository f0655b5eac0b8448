#include "quant/retraining/quantizer.h"

#include <fmt/format.h>

#include <chrono>

#include "host/base/error.h"
#include "quant/model/geometry.h"
#include "quant/retraining/integers.h"
#include "quant/retraining/retrainer.h"
#include "quant/tensor/threads.h"
#include "quant/training/kept_memory.h"

namespace bitloop::quant {

struct Quantizer::Impl {
  Impl(const host::Network& network, const FloatCheckpoint& checkpoint, const Dataset& data)
      : start(network, checkpoint, data) {}

  KeptMemory memory;  // one policy after the other takes the same tensors
  StartPoint start;

  void check(const host::Policy& policy, const Retraining& options) const {
    host::validate_policy(start.network, policy);
    if (options.calibration_images < 1) throw InputError("start scales need 1 training image or more");
    if (options.epochs < 0 || options.images < 0 || options.batch < 1 || !(options.learning_rate > 0) ||
        !(options.learning_rate_decay >= 0 && options.learning_rate_decay <= 1) ||
        !(options.distillation >= 0 && options.distillation <= 1) || options.patience < 0)
      throw InputError(
          "retraining needs epochs, images and patience of 0 or more, a batch and a learning rate above 0, "
          "and its decay and a share of distillation between 0 and 1");
    const host::Network& network = start.network;
    const int results = class_count(network);
    if (options.epochs > 0 && (network.outputs.size() != 1 || results != start.image_classes))
      throw InputError(
          fmt::format("only classifiers of the data's {} classes can be retrained, and {} has {} outputs: "
                      "ask for 0 epochs",
                      start.image_classes, network.name,
                      network.outputs.size() == 1 ? results : static_cast<int>(network.outputs.size())));
  }
};

Quantizer::Quantizer(const host::Network& network, const FloatCheckpoint& checkpoint, const Dataset& data)
    : impl_(std::make_unique<const Impl>(network, checkpoint, data)) {}

Quantizer::~Quantizer() = default;

const StartPoint& Quantizer::start() const { return impl_->start; }

namespace {

/// Calls `use` with what came out of retraining, and measures the time that it took.
template <typename Use>
QuantizedModel retrained(const StartPoint& start, const host::Policy& policy, const Retraining& options,
                         const Progress& progress, CodeMemory* memory, const Use& use) {
  const auto begin = std::chrono::steady_clock::now();
  const at::NoGradGuard no_grad;
  const TorchThreads threads(1);
  if (progress && options.epochs > 0) progress(0, "start scales");
  Retrainer retrainer(start, policy, options, memory);
  if (progress && options.epochs > 0) progress(0, "");
  retrainer.retrain(progress);
  QuantizedModel model = integers_of(retrainer.graph());
  model.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  use(retrainer);
  return model;
}

}  // namespace

QuantizedModel Quantizer::quantize(const host::Policy& policy, const Retraining& options,
                                   const Progress& progress, CodeMemory* memory) const {
  impl_->check(policy, options);
  return retrained(impl_->start, policy, options, progress, memory, [](Retrainer&) {});
}

Quantizer::Predicted Quantizer::quantize_and_predict(const host::Policy& policy, const Retraining& options,
                                                     const Split& split) const {
  impl_->check(policy, options);
  Predicted result;
  result.model = retrained(impl_->start, policy, options, {}, nullptr,
                           [&](Retrainer& retrainer) { result.classes = retrainer.predict(split); });
  return result;
}

}  // namespace bitloop::quant
