#include "quant/retraining/comparison.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/optim/adam.h>
#include <torch/optim/sgd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>

#include "host/base/error.h"
#include "quant/data/batches.h"
#include "quant/quantizers/compression.h"
#include "quant/tensor/class_logits.h"
#include "quant/tensor/threads.h"
#include "quant/training/device.h"
#include "quant/training/float_network.h"

namespace bitloop::quant {
namespace {

constexpr std::int64_t kFloatBits = 32;

/// Weights of all layers while they are trained under a constraint.
class ConstrainedWeights {
 public:
  virtual ~ConstrainedWeights() = default;
  /// What the optimizer moves.
  [[nodiscard]] virtual std::vector<at::Tensor> trained() const = 0;
  /// A layer's weights as the network multiplies them, differentiable.
  [[nodiscard]] virtual at::Tensor weight(std::size_t layer) const = 0;
  /// Added to the loss; undefined: nothing.
  [[nodiscard]] virtual at::Tensor penalty() const { return {}; }
  virtual void end_stage() {}
  /// A layer's weights when all is done, on which the constraint holds.
  [[nodiscard]] virtual at::Tensor result(std::size_t layer) const = 0;
  [[nodiscard]] virtual std::int64_t size_bits() const = 0;
  [[nodiscard]] virtual std::string note() const = 0;
};

/// Deep Compression: which weights are equal is settled before training; a centroid's gradient is the sum
/// over its weights.
class SharedWeights : public ConstrainedWeights {
 public:
  SharedWeights(const std::vector<at::Tensor>& weights, const std::vector<int>& bits) : bits_(bits) {
    for (std::size_t i = 0; i < weights.size(); ++i) {
      clusters_.push_back(cluster_weights(weights[i], bits[i]));
      clusters_.back().centroids.requires_grad_();
    }
  }
  [[nodiscard]] std::vector<at::Tensor> trained() const override {
    std::vector<at::Tensor> centroids;
    for (const Clusters& layer : clusters_) centroids.push_back(layer.centroids);
    return centroids;
  }
  [[nodiscard]] at::Tensor weight(std::size_t layer) const override { return clusters_.at(layer).weights(); }
  [[nodiscard]] at::Tensor result(std::size_t layer) const override { return weight(layer).detach(); }
  [[nodiscard]] std::int64_t size_bits() const override {
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < clusters_.size(); ++i)
      sum += clusters_[i].assignment.numel() * bits_[i] + (std::int64_t{1} << bits_[i]) * kFloatBits;
    return sum;
  }
  [[nodiscard]] std::string note() const override {
    return "a code book holds any numbers: weights are decoded to 8 bits or more before they are multiplied";
  }

 private:
  std::vector<int> bits_;
  std::vector<Clusters> clusters_;
};

/// ADMM: float weights are drawn towards their projection (sections 3.1 to 3.3 of Leng et al.), ever harder.
class ProjectedWeights : public ConstrainedWeights {
 public:
  ProjectedWeights(const std::vector<at::Tensor>& weights, const std::vector<int>& bits) : bits_(bits) {
    for (std::size_t i = 0; i < weights.size(); ++i)
      layers_.push_back({weights[i].clone().requires_grad_(), project_to_levels(weights[i], bits[i]),
                         at::zeros_like(weights[i])});
  }
  [[nodiscard]] std::vector<at::Tensor> trained() const override {
    std::vector<at::Tensor> values;
    for (const Layer& layer : layers_) values.push_back(layer.values);
    return values;
  }
  [[nodiscard]] at::Tensor weight(std::size_t layer) const override { return layers_.at(layer).values; }
  [[nodiscard]] at::Tensor penalty() const override {
    at::Tensor sum;
    for (const Layer& layer : layers_) {
      const at::Tensor distance = (layer.values - layer.projected + layer.dual).square().sum();
      sum = sum.defined() ? sum + distance : distance;
    }
    return sum * (rho_ / 2);
  }
  void end_stage() override {
    const at::NoGradGuard no_grad;
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      Layer& layer = layers_[i];
      layer.projected = project_to_levels(layer.values + layer.dual, bits_[i]);
      layer.dual.add_(layer.values).sub_(layer.projected).div_(kGrowth);  // the dual in units of the new rho
    }
    rho_ *= kGrowth;
  }
  [[nodiscard]] at::Tensor result(std::size_t layer) const override {
    return project_to_levels(layers_.at(layer).values.detach(), bits_.at(layer));
  }
  [[nodiscard]] std::int64_t size_bits() const override {
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < layers_.size(); ++i) sum += layers_[i].values.numel() * bits_[i] + kFloatBits;
    return sum;
  }
  [[nodiscard]] std::string note() const override {
    return "weights alone are quantized: activations are float numbers, which the hardware does not have";
  }

 private:
  static constexpr double kFirstRho = 1e-2;
  static constexpr double kGrowth = 1.6;
  struct Layer {
    at::Tensor values, projected, dual;
  };
  std::vector<int> bits_;
  std::vector<Layer> layers_;
  double rho_ = kFirstRho;
};

using MakeWeights = std::unique_ptr<ConstrainedWeights> (*)(const std::vector<at::Tensor>& weights,
                                                            const std::vector<int>& bits);
template <typename T>
std::unique_ptr<ConstrainedWeights> make(const std::vector<at::Tensor>& weights,
                                         const std::vector<int>& bits) {
  return std::make_unique<T>(weights, bits);
}

struct Row {
  std::string_view name;
  MakeWeights make;
};
constexpr Row kRows[] = {{"k-means", make<SharedWeights>}, {"admm", make<ProjectedWeights>}};

const Row& row_of(std::string_view name) {
  const auto* found = std::ranges::find(kRows, name, &Row::name);
  if (found == std::end(kRows))
    throw InputError(
        fmt::format("no comparison is named '{}': use one of {}", name, fmt::join(comparison_names(), ", ")));
  return *found;
}

/// A float network while its weights are trained under a constraint.
class Comparer {
 public:
  Comparer(const host::Network& network, const FloatCheckpoint& checkpoint, const Dataset& data,
           const host::Policy& policy, const Retraining& options)
      : network_(network),
        checkpoint_(*checkpoint.impl),
        data_(data),
        options_(options),
        device_(training_device()),
        teacher_(on_device(checkpoint_.layers, device_)),
        layers_(on_device(checkpoint_.layers, device_)) {
    std::vector<at::Tensor> weights;
    std::vector<int> bits;
    for (const FloatLayer& layer : layers_) weights.push_back(layer.weight);
    for (const host::LayerBits& layer : policy.layers) bits.push_back(layer.weight_bits);
    weights_ = row_of(options.quantizer).make(weights, bits);
    make_optimizer();
  }

  void train() {
    for (int epoch = 0; epoch < options_.epochs; ++epoch) {
      Batches batches(data_.train, data_.shape, checkpoint_.mean, batch_options(epoch, options_.augment));
      const std::int64_t count = batches.count();
      for (std::int64_t i = 0; i < count; ++i) {
        const double done = (epoch + static_cast<double>(i) / static_cast<double>(count)) / options_.epochs;
        step(batches.next().value(), learning_rate(options_, epoch, done, 1));
        if ((i + 1) * kStagesPerEpoch / count != i * kStagesPerEpoch / count) weights_->end_stage();
      }
    }
  }

  ComparisonResult result(const Split& split) {
    const at::NoGradGuard no_grad;
    for (std::size_t i = 0; i < layers_.size(); ++i) layers_[i].weight = weights_->result(i);
    estimate_statistics();
    const FloatCheckpoint trained{std::make_shared<const FloatCheckpoint::Impl>(
        FloatCheckpoint::Impl{network_, checkpoint_.split_hash, checkpoint_.options, checkpoint_.mean,
                              checkpoint_.deviation, on_device(layers_, at::kCPU)})};
    return {.accuracy = trained.accuracy(split),
            .size_bits = weights_->size_bits(),
            .executable = false,
            .note = weights_->note()};
  }

 private:
  static constexpr std::int64_t kStagesPerEpoch = 4;
  static constexpr int kStatisticBatches = 40;  // leave 0.9^40 of the old statistics
  static constexpr double kMomentum = 0.9;

  void make_optimizer() {
    std::vector<at::Tensor> trained = weights_->trained();
    for (FloatLayer& layer : layers_)
      for (at::Tensor& tensor : std::array{layer.bias, layer.gain, layer.shift})
        if (tensor.defined()) trained.push_back(tensor.requires_grad_());
    if (options_.optimizer == "adam") {
      optimizer_ = std::make_unique<torch::optim::Adam>(trained, options_.learning_rate);
    } else if (options_.optimizer == "sgd") {
      optimizer_ = std::make_unique<torch::optim::SGD>(
          trained, torch::optim::SGDOptions(options_.learning_rate).momentum(kMomentum));
    } else {
      throw InputError(fmt::format("no optimizer is named '{}': use adam or sgd", options_.optimizer));
    }
  }

  [[nodiscard]] Batches::Options batch_options(int epoch, bool augment) const {
    return {.batch = options_.batch,
            .images = options_.images,
            .seed = options_.seed,
            .epoch = static_cast<std::uint64_t>(epoch),
            .augmentation = augment ? data_.augmentation : Augmentation{}};
  }

  [[nodiscard]] at::Tensor input_of(const Batch& batch) const {
    return channels_last(normalize(batch.pixels.to(device_), checkpoint_.mean, checkpoint_.deviation));
  }

  [[nodiscard]] at::Tensor logits(const std::vector<FloatLayer>& layers, const at::Tensor& input,
                                  bool training) const {
    return class_logits(
        float_forward(network_, layers, input, training, Keep::results).tensors.at(network_.output()));
  }

  /// One-hot labels blended with the float network's probabilities.
  [[nodiscard]] at::Tensor targets(const Batch& batch, const at::Tensor& input) const {
    const at::NoGradGuard no_grad;
    const at::Tensor known = logits(teacher_, input, false).softmax(1);
    const at::Tensor labels = at::one_hot(batch.labels.to(device_), known.size(1)).to(known.scalar_type());
    return at::lerp(labels, known, options_.distillation);
  }

  void step(const Batch& batch, double rate) {
    for (auto& group : optimizer_->param_groups()) group.options().set_lr(rate);
    const at::Tensor input = input_of(batch);
    for (std::size_t i = 0; i < layers_.size(); ++i) layers_[i].weight = weights_->weight(i);
    at::Tensor loss = at::cross_entropy_loss(logits(layers_, input, true), targets(batch, input));
    if (const at::Tensor penalty = weights_->penalty(); penalty.defined()) loss = loss + penalty;
    optimizer_->zero_grad();
    loss.backward();
    optimizer_->step();
  }

  /// Batch-norm statistics of the weights as they ended up.
  void estimate_statistics() {
    if (std::ranges::none_of(layers_, [](const FloatLayer& layer) { return layer.gain.defined(); })) return;
    for (int done = 0, epoch = 0; done < kStatisticBatches; ++epoch) {
      Batches batches(data_.train, data_.shape, checkpoint_.mean, batch_options(epoch, false));
      while (const auto batch = batches.next()) {
        if (done++ == kStatisticBatches) return;
        float_forward(network_, layers_, input_of(*batch), /*training=*/true, Keep::results);
      }
    }
  }

  const host::Network& network_;
  const FloatCheckpoint::Impl& checkpoint_;
  const Dataset& data_;
  const Retraining& options_;
  at::Device device_;
  std::vector<FloatLayer> teacher_, layers_;
  std::unique_ptr<ConstrainedWeights> weights_;
  std::unique_ptr<torch::optim::Optimizer> optimizer_;
};

void check_options(const Retraining& options) {
  if (options.epochs < 0 || options.images < 0 || options.batch < 2 || !(options.learning_rate > 0) ||
      !(options.learning_rate_decay >= 0 && options.learning_rate_decay <= 1))
    throw InputError(
        "retraining needs epochs and images of 0 or more, 2 images per batch, a learning rate above 0, and "
        "its decay between 0 and 1");
}

}  // namespace

std::vector<std::string> comparison_names() {
  std::vector<std::string> names;
  for (const Row& row : kRows) names.emplace_back(row.name);
  return names;
}

ComparisonResult compare_quantizer(const host::Network& network, const FloatCheckpoint& checkpoint,
                                   const Dataset& data, const host::Policy& policy, const Retraining& options,
                                   const Split& split) {
  host::validate_policy(network, policy);
  check_fit(network, data);
  check_options(options);
  const TorchThreads threads(TorchThreads::all());
  Comparer comparer(network, checkpoint, data, policy, options);
  comparer.train();
  return comparer.result(split);
}

}  // namespace bitloop::quant
