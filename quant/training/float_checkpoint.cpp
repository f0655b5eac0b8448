#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <future>

#include "host/base/error.h"
#include "quant/model/container.h"
#include "quant/model/geometry.h"
#include "quant/model/hash.h"
#include "quant/model/result_cache.h"
#include "quant/tensor/class_logits.h"
#include "quant/tensor/order.h"
#include "quant/tensor/threads.h"
#include "quant/training/device.h"
#include "quant/training/float_network.h"

namespace bitloop::quant {
namespace {

constexpr std::string_view kKind = "float-checkpoint";
constexpr std::int64_t kAccuracyBatch = 100;
constexpr std::int64_t kAccuracyBytes = 2 << 20;  // the largest tensor of a batch stays in a core's cache

nlohmann::json header_of(const FloatCheckpoint::Impl& checkpoint) {
  return {{"network", checkpoint.network.name},  {"geometry", geometry_hash(checkpoint.network)},
          {"split", checkpoint.split_hash},      {"epochs", checkpoint.options.epochs},
          {"seed", checkpoint.options.seed},     {"learning_rate", checkpoint.options.learning_rate},
          {"batch", checkpoint.options.batch},   {"optimizer", checkpoint.options.optimizer},
          {"images", checkpoint.options.images}, {"mean", checkpoint.mean},
          {"deviation", checkpoint.deviation}};
}

/// What a checkpoint kept in the cache depends on.
std::string cache_key(const host::Network& network, const Dataset& data, const FloatTraining& options) {
  Sha256 hash;
  hash.add(fmt::format("{} {} {} {} {} {} {} {}", geometry_hash(network), data.split_hash, options.epochs,
                       options.seed, options.learning_rate, options.batch, fmt::join(data.mean, ","),
                       fmt::join(data.deviation, ",")));
  // Only where they differ from what was once the only choice: the checkpoints of then are still found.
  if (options.optimizer != FloatTraining{}.optimizer) hash.add(" " + options.optimizer);
  if (options.images > 0) hash.add(fmt::format(" images {}", options.images));
  if (data.augmentation.any())
    hash.add(fmt::format(" shift {} mirror {}", data.augmentation.shift, data.augmentation.mirror));
  return hash.hex();
}

/// As many as leave the largest tensor in the cache.
std::int64_t accuracy_batch(const host::Network& network) {
  std::int64_t largest = 1;
  for (const host::Tensor& tensor : network.tensors)
    largest = std::max<std::int64_t>(largest, tensor.shape.elements());
  return std::clamp<std::int64_t>(kAccuracyBytes / (largest * static_cast<std::int64_t>(sizeof(float))), 1,
                                  kAccuracyBatch);
}

/// Of one batch.
struct Score {
  std::int64_t right = 0;
  double loss = 0;
};

Score score(const at::Tensor& logits, const at::Tensor& truth) {
  return {logits.argmax(1).eq(truth).sum().item<std::int64_t>(),
          at::cross_entropy_loss(logits, truth, {}, at::Reduction::Sum).item<double>()};
}

}  // namespace

FloatCheckpoint FloatCheckpoint::imported(const FloatNetwork& model, const Dataset& data) {
  check_images(model.network, data);
  auto checkpoint = std::make_shared<Impl>();
  checkpoint->network = model.network;
  checkpoint->options.epochs = 0;
  checkpoint->mean = model.mean.empty() ? data.mean : model.mean;
  checkpoint->deviation = model.deviation.empty() ? data.deviation : model.deviation;
  checkpoint->layers = float_layers(model);
  return {std::move(checkpoint)};
}

FloatCheckpoint FloatCheckpoint::untrained(const host::Network& network, const Dataset& data,
                                           std::uint64_t seed) {
  check_images(network, data);
  auto checkpoint = std::make_shared<Impl>();
  checkpoint->network = network;
  checkpoint->options.epochs = 0;
  checkpoint->options.seed = seed;
  checkpoint->mean = data.mean;
  checkpoint->deviation = data.deviation;
  checkpoint->layers = start_layers(network, seed);
  return {std::move(checkpoint)};
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
    loaded->options = {header.at("epochs").get<int>(),
                       header.at("seed").get<std::uint64_t>(),
                       header.at("learning_rate").get<double>(),
                       header.at("batch").get<int>(),
                       header.value("optimizer", FloatTraining{}.optimizer),
                       header.value("images", FloatTraining{}.images)};
    loaded->mean = header.at("mean").get<std::vector<float>>();
    loaded->deviation = header.at("deviation").get<std::vector<float>>();
  } catch (const nlohmann::json::exception& error) {
    throw InputError(
        fmt::format("{} has an incomplete header ({}): train again", path.string(), error.what()));
  }
  if (geometry != geometry_hash(network))
    throw InputError(fmt::format("{} is no checkpoint of this {}: train again", path.string(), network.name));
  if (!loaded->split_hash.empty() && loaded->split_hash != data.split_hash)
    throw InputError(fmt::format("{} was trained on other images than {}'s train split: train again",
                                 path.string(), data.name));
  loaded->network = network;
  loaded->layers = start_layers(network, /*seed=*/0);
  PayloadReader payload(container.payload, path);
  for (FloatLayer& layer : loaded->layers)
    for (const at::Tensor& tensor : layer.tensors())
      payload.take(std::span<float>(tensor.data_ptr<float>(), tensor.numel()));
  payload.expect_end();
  return {std::move(loaded)};
}

FloatCheckpoint FloatCheckpoint::cached(const host::Network& network, const Dataset& data,
                                        const FloatTraining& options, const Progress& progress) {
  const std::string key = cache_key(network, data, options);
  const std::filesystem::path cache = cache_folder();
  if (cache.empty())
    throw InputError("neither XDG_CACHE_HOME nor HOME is set: set one, so that trained networks can be kept");
  const auto path = cache / fmt::format("{}-{}.pt", network.name, key.substr(0, 16));
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
  const at::Device device = training_device();
  const host::Network& network = impl->network;
  const at::Tensor pixels = pixel_tensor(network.tensors.at(network.input).shape, split.pixels);
  const at::Tensor labels = label_tensor(split.labels).to(device);
  const auto layers = on_device(impl->layers, device);
  const std::int64_t batch = accuracy_batch(network);
  std::vector<Score> scores(static_cast<std::size_t>((labels.size(0) + batch - 1) / batch));
  // Whole batches side by side: threads within an operation would wait for each other hundreds of times.
  const auto work = [&](std::size_t first, std::size_t step) {
    const c10::InferenceMode inference;
    const TorchThreads threads(1);
    for (std::size_t i = first; i < scores.size(); i += step) {
      const std::int64_t begin = static_cast<std::int64_t>(i) * batch;
      const std::int64_t count = std::min(batch, labels.size(0) - begin);
      const at::Tensor chosen = pixels.narrow(0, begin, count).to(device);
      const at::Tensor input = channels_last(normalize(chosen, impl->mean, impl->deviation));
      const FloatPass pass = float_forward(network, layers, input, /*training=*/false, Keep::results);
      scores[i] = score(class_logits(pass.tensors.at(network.output())), labels.narrow(0, begin, count));
    }
  };
  const auto workers = static_cast<std::size_t>(device.is_cpu() ? TorchThreads::all() : 1);
  std::vector<std::future<void>> running;
  for (std::size_t i = 0; i < workers; ++i)
    running.push_back(std::async(std::launch::async, work, i, workers));
  for (std::future<void>& worker : running) worker.get();

  Score sum;
  for (const Score& part : scores) sum = {sum.right + part.right, sum.loss + part.loss};
  const double images = static_cast<double>(split.size());
  return {static_cast<double>(sum.right) / images, sum.loss / images, split.size()};
}

std::vector<double> FloatCheckpoint::weight_deviations() const {
  std::vector<double> deviations;
  for (const FloatLayer& layer : impl->layers) deviations.push_back(layer.weight.std(false).item<double>());
  return deviations;
}

const std::vector<float>& FloatCheckpoint::mean() const { return impl->mean; }
const std::vector<float>& FloatCheckpoint::deviation() const { return impl->deviation; }

}  // namespace bitloop::quant
