#include <fmt/format.h>
#include <torch/torch.h>

#include <cmath>
#include <cstdlib>
#include <random>

#include "host/error.h"
#include "quant/container.h"
#include "quant/training/float_network.h"
#include "quant/geometry.h"
#include "quant/hash.h"
#include "quant/order.h"
#include "quant/threads.h"

namespace bitloop::quant {
namespace {

constexpr std::string_view kKind = "float-checkpoint";
constexpr std::int64_t kAccuracyBatch = 100;  // activations of one batch stay in the cache
constexpr double kWeightDecay = 5e-4;

std::vector<std::int64_t> weight_sizes(const host::Network& network, const host::Layer& layer) {
  const host::Shape& in = network.input_shape(layer);
  const host::Shape& out = network.output_shape(layer);
  if (layer.kind == host::LayerKind::linear) return {out.channels, in.elements()};
  return {out.channels, layer.kind == host::LayerKind::depthwise ? 1 : in.channels, layer.kernel_height,
          layer.kernel_width};
}

/// Parameters of the right shapes; weights uniform in +-1/sqrt(inputs of a filter), LeNet's usual start.
std::vector<FloatLayer> start_layers(const host::Network& network, at::Generator generator) {
  std::vector<FloatLayer> layers;
  for (const host::Layer* layer : network.weight_layers()) {
    FloatLayer p;
    p.weight = at::empty(weight_sizes(network, *layer));
    const std::int64_t filters = p.weight.size(0);
    const double bound = 1 / std::sqrt(static_cast<double>(p.weight.numel() / filters));
    p.weight.uniform_(-bound, bound, generator);
    if (layer->batch_norm) {
      p.gain = at::ones(filters);
      p.shift = at::zeros(filters);
      p.mean = at::zeros(filters);
      p.variance = at::ones(filters);
    } else {
      p.bias = at::zeros(filters);
    }
    layers.push_back(std::move(p));
  }
  return layers;
}

/// Weights decay; gains, shifts and biases do not.
torch::optim::AdamW make_optimizer(std::vector<FloatLayer>& layers, double learning_rate) {
  std::vector<at::Tensor> weights, others;
  for (FloatLayer& layer : layers) {
    weights.push_back(layer.weight.requires_grad_());
    for (at::Tensor& tensor : std::array{layer.bias, layer.gain, layer.shift})
      if (tensor.defined()) others.push_back(tensor.requires_grad_());
  }
  const auto options = [&](double decay) {
    return std::make_unique<torch::optim::AdamWOptions>(
        torch::optim::AdamWOptions(learning_rate).weight_decay(decay));
  };
  return torch::optim::AdamW(
      std::vector<torch::optim::OptimizerParamGroup>{{weights, options(kWeightDecay)}, {others, options(0)}});
}

/// Rises over the first tenth, then falls along a cosine to zero.
double one_cycle(double done) {
  constexpr double kRise = 0.1;
  return done < kRise ? done / kRise : 0.5 * (1 + std::cos(M_PI * (done - kRise) / (1 - kRise)));
}

void set_learning_rate(torch::optim::AdamW& optimizer, double learning_rate) {
  for (auto& group : optimizer.param_groups()) group.options().set_lr(learning_rate);
}

nlohmann::json header_of(const FloatCheckpoint::Impl& checkpoint) {
  return {{"network", checkpoint.network.name}, {"geometry", geometry_hash(checkpoint.network)},
          {"split", checkpoint.split_hash},     {"epochs", checkpoint.options.epochs},
          {"seed", checkpoint.options.seed},    {"learning_rate", checkpoint.options.learning_rate},
          {"batch", checkpoint.options.batch},  {"mean", checkpoint.mean},
          {"deviation", checkpoint.deviation}};
}

std::filesystem::path cache_folder() {
  if (const char* folder = std::getenv("XDG_CACHE_HOME"); folder != nullptr && *folder != '\0')
    return std::filesystem::path(folder) / "bitloop";
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0')
    return std::filesystem::path(home) / ".cache" / "bitloop";
  throw InputError("neither XDG_CACHE_HOME nor HOME is set: set one, so that trained networks can be kept");
}

void check_fit(const host::Network& network, const Dataset& data) {
  require_classifier(network);
  const host::Shape& in = network.tensors.at(network.input).shape;
  const host::Shape& out = network.tensors.at(network.output()).shape;
  if (!(in == data.shape))
    throw InputError(
        fmt::format("{} takes {}x{}x{} images but {} holds {}x{}x{}: choose another model or data set",
                    network.name, in.channels, in.height, in.width, data.name, data.shape.channels,
                    data.shape.height, data.shape.width));
  if (out.elements() != data.classes)
    throw InputError(fmt::format("{} has {} outputs but {} has {} classes: choose another model or data set",
                                 network.name, out.elements(), data.name, data.classes));
}

}  // namespace

FloatCheckpoint FloatCheckpoint::train(const host::Network& network, const Dataset& data,
                                       const FloatTraining& options, const Progress& progress) {
  check_fit(network, data);
  if (options.epochs < 1 || options.batch < 2 || !(options.learning_rate > 0))
    throw InputError("float training needs at least 1 epoch, 2 images per batch and a learning rate above 0");
  const TorchThreads threads(TorchThreads::all());
  auto trained =
      std::make_shared<Impl>(Impl{network, data.split_hash, options, data.mean, data.deviation, {}});
  trained->layers = start_layers(network, at::make_generator<at::CPUGeneratorImpl>(options.seed));
  auto optimizer = make_optimizer(trained->layers, options.learning_rate);

  const at::Tensor pixels = pixel_tensor(data.shape, data.train.pixels);
  const at::Tensor labels = label_tensor(data.train.labels);
  std::mt19937_64 generator(options.seed);
  // A last, smaller batch is left out: one image has no statistics.
  const std::int64_t batch = std::min<std::int64_t>(options.batch, labels.size(0));
  const std::int64_t batches = labels.size(0) / batch;
  const double steps = static_cast<double>(batches) * options.epochs;
  std::int64_t step = 0;
  for (int epoch = 0; epoch < options.epochs; ++epoch) {
    const at::Tensor order = shuffled_order(labels.size(0), generator);
    for (std::int64_t i = 0; i < batches; ++i, ++step) {
      set_learning_rate(optimizer, options.learning_rate * one_cycle(static_cast<double>(step) / steps));
      const at::Tensor chosen = order.narrow(0, i * batch, batch);
      const at::Tensor input = normalize(pixels.index_select(0, chosen), data.mean, data.deviation);
      const FloatPass pass = float_forward(network, trained->layers, input, /*training=*/true);
      const at::Tensor logits = pass.tensors.at(network.output()).flatten(1);
      const at::Tensor loss = at::cross_entropy_loss(logits, labels.index_select(0, chosen));
      optimizer.zero_grad();
      loss.backward();
      optimizer.step();
      if (progress && step % 50 == 0)
        progress(static_cast<double>(step) / steps,
                 fmt::format("epoch {}, loss {:.3f}", epoch + 1, loss.item<double>()));
    }
  }
  for (FloatLayer& layer : trained->layers)
    for (at::Tensor* tensor :
         {&layer.weight, &layer.bias, &layer.gain, &layer.shift, &layer.mean, &layer.variance})
      if (tensor->defined()) *tensor = tensor->detach().clone();
  if (progress) progress(1, "trained");
  return {std::move(trained)};
}

void FloatCheckpoint::save(const std::filesystem::path& path) const {
  Container container{header_of(*impl), {}};
  for (const FloatLayer& layer : impl->layers)
    for (const at::Tensor& tensor : layer.tensors()) {
      const at::Tensor values = tensor.cpu().contiguous();
      append_values(container.payload, std::span<const float>(values.data_ptr<float>(), values.numel()));
    }
  write_container(container, kKind, path);
}

FloatCheckpoint FloatCheckpoint::load(const host::Network& network, const Dataset& data,
                                      const std::filesystem::path& path) {
  check_fit(network, data);
  const Container container = read_container(kKind, path);
  const nlohmann::json& header = container.header;
  auto loaded = std::make_shared<Impl>();
  std::string geometry;
  try {
    geometry = header.at("geometry").get<std::string>();
    loaded->split_hash = header.at("split").get<std::string>();
    loaded->options = {header.at("epochs").get<int>(), header.at("seed").get<std::uint64_t>(),
                       header.at("learning_rate").get<double>(), header.at("batch").get<int>()};
    loaded->mean = header.at("mean").get<std::vector<float>>();
    loaded->deviation = header.at("deviation").get<std::vector<float>>();
  } catch (const nlohmann::json::exception& error) {
    throw InputError(
        fmt::format("{} has an incomplete header ({}): train again", path.string(), error.what()));
  }
  if (geometry != geometry_hash(network))
    throw InputError(fmt::format("{} is no checkpoint of this {}: train again", path.string(), network.name));
  if (loaded->split_hash != data.split_hash)
    throw InputError(fmt::format("{} was trained on other images than {}'s train split: train again",
                                 path.string(), data.name));
  loaded->network = network;
  loaded->layers = start_layers(network, at::make_generator<at::CPUGeneratorImpl>(0));
  PayloadReader payload(container.payload, path);
  for (FloatLayer& layer : loaded->layers)
    for (const at::Tensor& tensor : layer.tensors())
      payload.take(std::span<float>(tensor.data_ptr<float>(), tensor.numel()));
  payload.expect_end();
  return {std::move(loaded)};
}

FloatCheckpoint FloatCheckpoint::cached(const host::Network& network, const Dataset& data,
                                        const FloatTraining& options, const Progress& progress) {
  const std::string key =
      Sha256()
          .add(fmt::format("{} {} {} {} {} {}", geometry_hash(network), data.split_hash, options.epochs,
                           options.seed, options.learning_rate, options.batch))
          .hex();
  const auto path = cache_folder() / fmt::format("{}-{}.pt", network.name, key.substr(0, 16));
  if (std::filesystem::exists(path)) {
    try {
      return load(network, data, path);
    } catch (const InputError&) {
      // A damaged file of our own cache: its remedy is to train again, which is what follows.
    }
  }
  FloatCheckpoint trained = train(network, data, options, progress);
  trained.save(path);
  return trained;
}

Accuracy FloatCheckpoint::accuracy(const Split& split) const {
  const at::NoGradGuard no_grad;
  const TorchThreads threads(TorchThreads::all());
  const host::Shape& shape = impl->network.tensors.at(impl->network.input).shape;
  const at::Tensor pixels = pixel_tensor(shape, split.pixels);
  const at::Tensor labels = label_tensor(split.labels);
  std::int64_t right = 0;
  double loss = 0;
  for (std::int64_t first = 0; first < labels.size(0); first += kAccuracyBatch) {
    const std::int64_t count = std::min(kAccuracyBatch, labels.size(0) - first);
    const at::Tensor input = normalize(pixels.narrow(0, first, count), impl->mean, impl->deviation);
    const FloatPass pass = float_forward(impl->network, impl->layers, input, /*training=*/false);
    const at::Tensor logits = pass.tensors.at(impl->network.output()).flatten(1);
    const at::Tensor truth = labels.narrow(0, first, count);
    right += logits.argmax(1).eq(truth).sum().item<std::int64_t>();
    loss += at::cross_entropy_loss(logits, truth, {}, at::Reduction::Sum).item<double>();
  }
  const double images = static_cast<double>(split.size());
  return {static_cast<double>(right) / images, loss / images, split.size()};
}

std::vector<double> FloatCheckpoint::weight_deviations() const {
  std::vector<double> deviations;
  for (const FloatLayer& layer : impl->layers) deviations.push_back(layer.weight.std(false).item<double>());
  return deviations;
}

}  // namespace bitloop::quant
