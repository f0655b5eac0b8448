#include "agent/evaluation/task.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <random>

#include "agent/evaluation/assumed_normalization.h"
#include "host/base/error.h"
#include "quant/model/geometry.h"
#include "quant/open_model.h"

namespace bitloop::agent {
namespace {

constexpr int kNoiseImages = 64;

bool is_file(const std::string& model) { return model.ends_with(".onnx"); }

std::vector<float> per_channel(const std::vector<float>& given, const host::Shape& image, float otherwise) {
  return given.empty() ? std::vector<float>(image.channels, otherwise) : given;
}

quant::Split noise_split(const host::Shape& shape, int classes, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  quant::Split split;
  split.pixels.resize(static_cast<std::size_t>(kNoiseImages * shape.elements()));
  for (auto& pixel : split.pixels) pixel = static_cast<std::uint8_t>(random());
  for (int i = 0; i < kNoiseImages; ++i)
    split.labels.push_back(static_cast<std::uint16_t>(random() % static_cast<std::uint64_t>(classes)));
  return split;
}

quant::Dataset noise(const quant::FloatNetwork& model, const std::vector<float>& mean,
                     const std::vector<float>& deviation) {
  const host::Network& network = model.network;
  quant::Dataset data;
  data.name = data.spec = data.split_hash = "noise";
  data.shape = network.tensors.at(network.input).shape;
  data.classes = quant::class_count(network);
  // A file that normalizes its input itself takes pixels, of 0..1 or 0..255.
  const bool own = mean.empty() && deviation.empty() && !model.own.empty();
  data.mean = per_channel(mean, data.shape, own ? 0 : 0.5F);
  data.deviation = per_channel(deviation, data.shape, !own ? 0.25F : model.own.of_bytes() ? 1.0F / 255 : 1);
  if (own) {
    auto [all_mean, all_deviation] = quant::in_a_row({data.mean, data.deviation}, model.own);
    data.mean = std::move(all_mean);
    data.deviation = std::move(all_deviation);
  }
  quant::check_given({.mean = data.mean, .deviation = data.deviation}, data);
  data.train = noise_split(data.shape, data.classes, 1);
  data.reward = noise_split(data.shape, data.classes, 2);
  data.test = noise_split(data.shape, data.classes, 3);
  return data;
}

/// What the user says of the file's input, and what the file does to it then; else what the model says.
quant::Normalization normalization(const TaskSpec& spec, const quant::FloatNetwork& model) {
  const quant::Normalization given{spec.mean, spec.deviation};
  const bool fits = spec.mean.size() == spec.deviation.size() && spec.mean.size() == model.own.mean.size();
  if (fits && !model.own.empty()) return quant::in_a_row(given, model.own);
  return {spec.mean.empty() ? model.mean : spec.mean,
          spec.deviation.empty() ? model.deviation : spec.deviation};
}

bool has_sizes_of_its_own(const std::string& data) {
  return !data.starts_with("folder:") && !data.starts_with("npy:");
}

/// The size to which data is brought that has none of its own: the network's, where the user does not say.
/// Arrays are brought to none for a network of the zoo: that is made for theirs.
std::optional<host::Shape> wanted_image(const TaskSpec& spec, const quant::FloatNetwork& file) {
  if (spec.input) return spec.input;
  if (has_sizes_of_its_own(spec.data)) return {};
  if (is_file(spec.model)) return file.network.tensors.at(file.network.input).shape;
  if (spec.data.starts_with("npy:")) return {};
  const host::Network own = host::zoo_network(spec.model);
  return own.tensors.at(own.input).shape;
}

quant::DataOptions data_options(const TaskSpec& spec, const quant::FloatNetwork& file) {
  if (spec.input && has_sizes_of_its_own(spec.data))
    throw InputError(fmt::format(
        "--input sets the size of a folder's images; those of {} have their own: leave it out", spec.data));
  if (!spec.class_names.empty() && !spec.data.starts_with("folder:"))
    throw InputError(
        fmt::format("--classes names the class folders of folder:DIR; {} has none: leave it out", spec.data));
  auto [mean, deviation] = normalization(spec, file);
  quant::DataOptions options{.image = wanted_image(spec, file),
                             .mean = std::move(mean),
                             .deviation = std::move(deviation),
                             .reward_from_test = spec.reward_from_test};
  if (!spec.class_names.empty()) options.class_names = spec.class_names;
  if (is_file(spec.model) && file.network.outputs.size() == 1)
    options.classes = quant::class_count(file.network);
  return options;
}

/// Opens data, and the model for it.
void open_data(const TaskSpec& spec, Task& task) {
  const quant::DataOptions options = data_options(spec, task.model);
  task.data = quant::load_dataset(spec.data, options);
  if (task.data.stated && !spec.mean.empty())
    throw InputError(
        fmt::format("the numbers of {} are what the network reads: leave --mean and --std out", spec.data));
  task.model = quant::open_model(
      spec.model, {.image = task.data.shape, .classes = task.data.classes, .outputs = spec.outputs});
  if (task.data.stated) {
    auto [mean, deviation] = quant::in_a_row({task.data.mean, task.data.deviation}, task.model.own);
    task.data.mean = std::move(mean);
    task.data.deviation = std::move(deviation);
  }
  task.note = contradicted_normalization({spec.mean, spec.deviation}, task.model);
  if (!task.model.trained() || task.data.stated || !options.mean.empty() || !spec.checkpoint.empty()) return;
  AssumedNormalization assumed = assume_normalization(task.model, task.data);
  auto [mean, deviation] = quant::in_a_row(assumed.input, task.model.own);
  task.data.mean = std::move(mean);
  task.data.deviation = std::move(deviation);
  task.assumed = std::move(assumed.input);
  task.note = std::move(assumed.note);
}

}  // namespace

TaskSpec with_absolute_paths(TaskSpec spec) {
  const auto absolute = [](const std::string& path) {
    return std::filesystem::absolute(path).lexically_normal().string();
  };
  if (const auto colon = spec.data.find(':'); colon != std::string::npos && colon + 1 < spec.data.size())
    spec.data = spec.data.substr(0, colon + 1) + absolute(spec.data.substr(colon + 1));
  if (is_file(spec.model)) spec.model = absolute(spec.model);
  if (!spec.checkpoint.empty()) spec.checkpoint = absolute(spec.checkpoint);
  if (!spec.class_names.empty()) spec.class_names = absolute(spec.class_names);
  return spec;
}

Task open_task(const TaskSpec& spec) {
  Task task;
  const bool noisy = spec.data == "noise";
  if (noisy || is_file(spec.model))
    task.model = quant::open_model(spec.model, {.image = spec.input, .outputs = spec.outputs});
  if (noisy) {
    const auto [mean, deviation] = normalization(spec, task.model);
    task.data = noise(task.model, mean, deviation);
  } else {
    open_data(spec, task);
  }
  if (spec.augmentation != "usual") task.data.augmentation = quant::augmentation_of(spec.augmentation);
  task.model.mean = task.data.mean;
  task.model.deviation = task.data.deviation;
  return task;
}

quant::FloatCheckpoint open_weights(const TaskSpec& spec, const Task& task, const quant::Progress& progress) {
  const host::Network& network = task.model.network;
  if (!spec.checkpoint.empty()) {
    auto checkpoint = quant::FloatCheckpoint::load(network, task.data, spec.checkpoint);
    const bool same = spec.mean.empty() ||
                      (checkpoint.mean() == task.data.mean && checkpoint.deviation() == task.data.deviation);
    if (same) return checkpoint;
    throw InputError(spec.checkpoint +
                     " was trained with another mean and deviation: leave --mean and --std out");
  }
  if (task.model.trained()) return quant::FloatCheckpoint::imported(task.model, task.data);
  if (network.outputs.size() > 1 || spec.data == "noise")
    return quant::FloatCheckpoint::untrained(network, task.data, /*seed=*/1);
  return quant::FloatCheckpoint::cached(network, task.data, {.epochs = spec.float_epochs}, progress);
}

}  // namespace bitloop::agent
