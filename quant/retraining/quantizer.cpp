#include <chrono>

#include "host/error.h"
#include "quant/geometry.h"
#include "quant/retraining/retrainer.h"
#include "quant/threads.h"

namespace bitloop::quant {

struct Quantizer::Impl {
  StartPoint start;
  std::string split_hash;
};

Quantizer::Quantizer(const host::Network& network, const FloatCheckpoint& checkpoint, const Dataset& data) {
  if (geometry_hash(network) != geometry_hash(checkpoint.impl->network))
    throw InputError("the checkpoint is of another network than " + network.name + ": train that one first");
  if (checkpoint.impl->split_hash != data.split_hash)
    throw InputError("the checkpoint was trained on other images than " + data.name +
                     "'s train split: train again");
  auto impl = std::make_unique<Impl>();
  impl->start = make_start_point(network, checkpoint, data);
  impl->split_hash = data.split_hash;
  impl_ = std::move(impl);
}

Quantizer::~Quantizer() = default;

QuantizedModel Quantizer::quantize(const host::Policy& policy, const Retraining& options) const {
  host::validate_policy(impl_->start.network, policy);
  if (options.epochs < 0 || options.images < 0 || options.batch < 1 || !(options.learning_rate > 0))
    throw InputError("retraining needs epochs and images of 0 or more, a batch and a learning rate above 0");
  const auto begin = std::chrono::steady_clock::now();
  const c10::InferenceMode inference;
  const TorchThreads threads(1);
  Retrainer retrainer(impl_->start, policy, options);
  retrainer.estimate_statistics();
  retrainer.retrain();
  QuantizedModel model = retrainer.integers();
  model.split_hash = impl_->split_hash;
  model.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return model;
}

}  // namespace bitloop::quant
