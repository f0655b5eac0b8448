#include <fmt/format.h>
#include <torch/optim/adamw.h>
#include <torch/optim/sgd.h>

#include <cmath>
#include <memory>

#include "host/base/error.h"
#include "quant/data/batches.h"
#include "quant/tensor/class_logits.h"
#include "quant/tensor/threads.h"
#include "quant/training/device.h"
#include "quant/training/float_network.h"
#include "quant/training/kept_memory.h"

namespace bitloop::quant {
namespace {

constexpr double kWeightDecay = 5e-4;
constexpr double kMomentum = 0.9;
constexpr int kReportEvery = 50;  // steps

/// Adam with decoupled weight decay, or SGD with Nesterov's momentum. Weights decay; gains, shifts and biases
/// do not.
std::unique_ptr<torch::optim::Optimizer> make_optimizer(std::vector<FloatLayer>& layers,
                                                        const FloatTraining& options) {
  std::vector<at::Tensor> weights, others;
  for (FloatLayer& layer : layers) {
    weights.push_back(layer.weight.requires_grad_());
    for (at::Tensor& tensor : std::array{layer.bias, layer.gain, layer.shift})
      if (tensor.defined()) others.push_back(tensor.requires_grad_());
  }
  const auto groups = [&](auto with_decay) {
    return std::vector<torch::optim::OptimizerParamGroup>{{weights, with_decay(kWeightDecay)},
                                                          {others, with_decay(0)}};
  };
  if (options.optimizer == "adam") {
    using Options = torch::optim::AdamWOptions;
    return std::make_unique<torch::optim::AdamW>(groups([&](double decay) {
      return std::make_unique<Options>(Options(options.learning_rate).weight_decay(decay));
    }));
  }
  using Options = torch::optim::SGDOptions;
  const auto with_decay = [&](double decay) {
    return std::make_unique<Options>(
        Options(options.learning_rate).momentum(kMomentum).nesterov(true).weight_decay(decay));
  };
  return std::make_unique<torch::optim::SGD>(groups(with_decay), *with_decay(0));
}

/// Rises over the first tenth, then falls along a cosine to zero.
double one_cycle(double done) {
  constexpr double kRise = 0.1;
  return done < kRise ? done / kRise : 0.5 * (1 + std::cos(M_PI * (done - kRise) / (1 - kRise)));
}

void check_options(const FloatTraining& options, const Dataset& data) {
  if (options.epochs < 1 || options.batch < 2 || !(options.learning_rate > 0))
    throw InputError("float training needs at least 1 epoch, 2 images per batch and a learning rate above 0");
  if (options.optimizer != "adam" && options.optimizer != "sgd")
    throw InputError(
        fmt::format("no optimizer is named '{}' in float training: use adam or sgd", options.optimizer));
  if (options.images < 0 || static_cast<std::size_t>(options.images) > data.train.size())
    throw InputError(
        fmt::format("{} images to train on are not in the {} of {}'s train split: use 1 to {} (0: all)",
                    options.images, data.train.size(), data.name, data.train.size()));
}

/// A network's parameters while they are trained on one device.
class FloatTrainer {
 public:
  FloatTrainer(const host::Network& network, const FloatTraining& options, const at::Device& device)
      : network_(network),
        options_(options),
        device_(device),
        layers_(on_device(start_layers(network, options.seed), device)),
        optimizer_(make_optimizer(layers_, options)) {}

  /// One step at `rate` times the learning rate. Returns the batch's loss.
  at::Tensor step(const Batch& batch, const Dataset& data, double rate) {
    for (auto& group : optimizer_->param_groups()) group.options().set_lr(options_.learning_rate * rate);
    const at::Tensor input = normalize(batch.pixels.to(device_), data.mean, data.deviation);
    const FloatPass pass =
        float_forward(network_, layers_, channels_last(input), /*training=*/true, Keep::results);
    const at::Tensor logits = class_logits(pass.tensors.at(network_.output()));
    const at::Tensor loss = at::cross_entropy_loss(logits, batch.labels.to(device_));
    optimizer_->zero_grad();
    loss.backward();
    optimizer_->step();
    return loss.detach();
  }

  /// Parameters on the CPU that no longer change.
  [[nodiscard]] std::vector<FloatLayer> layers() const { return on_device(layers_, at::kCPU); }

 private:
  const host::Network& network_;
  const FloatTraining& options_;
  at::Device device_;
  std::vector<FloatLayer> layers_;
  std::unique_ptr<torch::optim::Optimizer> optimizer_;
};

/// Throws where training has left the numbers.
void report(const Progress& progress, double done, int epoch, double loss) {
  if (!std::isfinite(loss))
    throw InputError(
        fmt::format("training diverged in epoch {} (loss {}): use a smaller learning rate", epoch + 1, loss));
  if (progress) progress(done, fmt::format("epoch {}, loss {:.3f}", epoch + 1, loss));
}

}  // namespace

FloatCheckpoint FloatCheckpoint::train(const host::Network& network, const Dataset& data,
                                       const FloatTraining& options, const Progress& progress) {
  check_fit(network, data);
  check_options(options, data);
  const TorchThreads threads(TorchThreads::all());
  const KeptMemory memory;
  FloatTrainer trainer(network, options, training_device());
  for (int epoch = 0; epoch < options.epochs; ++epoch) {
    Batches batches(data.train, data.shape, data.mean,
                    {.batch = options.batch,
                     .images = options.images,
                     .seed = options.seed,
                     .epoch = static_cast<std::uint64_t>(epoch),
                     .augmentation = data.augmentation});
    const std::int64_t count = batches.count();
    for (std::int64_t i = 0; i < count; ++i) {
      const double done =
          (epoch + static_cast<double>(i) / static_cast<double>(count)) / static_cast<double>(options.epochs);
      const at::Tensor loss = trainer.step(batches.next().value(), data, one_cycle(done));
      if (i % kReportEvery == 0 || i + 1 == count) report(progress, done, epoch, loss.item<double>());
    }
  }
  if (progress) progress(1, "trained");
  return {std::make_shared<const Impl>(
      Impl{network, data.split_hash, options, data.mean, data.deviation, trainer.layers()})};
}

}  // namespace bitloop::quant
