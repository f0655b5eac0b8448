#include "quant/data/splits.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

#include "host/base/error.h"
#include "quant/model/hash.h"

namespace bitloop::quant {
namespace {

constexpr std::size_t kSmallTrainingFile = 20'000;

/// Images [first, end) of `split`, whose images are `bytes` long.
Split part_of(const Split& split, std::size_t first, std::size_t end, std::size_t bytes) {
  const auto pixels = split.pixels.begin();
  const auto labels = split.labels.begin();
  return {{pixels + static_cast<std::ptrdiff_t>(first * bytes),
           pixels + static_cast<std::ptrdiff_t>(end * bytes)},
          {labels + static_cast<std::ptrdiff_t>(first), labels + static_cast<std::ptrdiff_t>(end)}};
}

/// Takes every `every`th image out of `split`. The rest moves up in place: a large set fits in memory once.
Split take_every(Split& split, std::size_t every, std::size_t bytes) {
  Split taken;
  taken.pixels.reserve(split.size() / every * bytes);
  std::size_t kept = 0;
  for (std::size_t image = 0; image < split.size(); ++image) {
    const auto first = split.pixels.begin() + static_cast<std::ptrdiff_t>(image * bytes);
    const auto end = first + static_cast<std::ptrdiff_t>(bytes);
    if (image % every == every - 1) {
      taken.pixels.insert(taken.pixels.end(), first, end);
      taken.labels.push_back(split.labels[image]);
      continue;
    }
    if (kept != image)
      std::copy(first, end, split.pixels.begin() + static_cast<std::ptrdiff_t>(kept * bytes));
    split.labels[kept++] = split.labels[image];
  }
  split.pixels.resize(kept * bytes);
  split.labels.resize(kept);
  return taken;
}

/// Mean and standard deviation of pixel/255 per channel, from histograms: exact, whatever the order.
void set_statistics(Dataset& data) {
  const auto channels = static_cast<std::size_t>(data.shape.channels);
  std::vector<std::array<std::uint64_t, 256>> histograms(channels);
  for (std::size_t i = 0; i < data.train.pixels.size(); i += channels)
    for (std::size_t channel = 0; channel < channels; ++channel)
      ++histograms[channel][data.train.pixels[i + channel]];
  const double count = static_cast<double>(data.train.pixels.size() / channels);
  for (const auto& histogram : histograms) {
    double sum = 0, squares = 0;
    for (std::size_t value = 0; value < histogram.size(); ++value) {
      const auto images = static_cast<double>(histogram[value]);
      sum += images * static_cast<double>(value);
      squares += images * static_cast<double>(value * value);
    }
    const double mean = sum / count;
    const double deviation = std::sqrt(std::max(squares / count - mean * mean, 1.0));
    data.mean.push_back(static_cast<float>(mean / 255));
    data.deviation.push_back(static_cast<float>(deviation / 255));
  }
}

/// Labels count as one byte each where all of a split fit: so were the hashes of the first checkpoints made.
void add_labels(Sha256& hash, const std::vector<std::uint16_t>& labels) {
  const bool small = std::ranges::all_of(labels, [](std::uint16_t label) { return label < 256; });
  std::vector<std::uint8_t> bytes;
  for (const std::uint16_t label : labels) {
    bytes.push_back(static_cast<std::uint8_t>(label));
    if (!small) bytes.push_back(static_cast<std::uint8_t>(label >> 8));
  }
  hash.add(std::as_bytes(std::span(bytes)));
}

std::string hash_of_splits(const Dataset& data) {
  Sha256 hash;
  const auto add = [&](const char* name, const Split& split) {
    hash.add(fmt::format("{} {} {}x{}x{};", name, split.size(), data.shape.channels, data.shape.height,
                         data.shape.width));
    add_labels(hash, split.labels);
    hash.add(std::as_bytes(std::span(split.pixels)));
  };
  add("train", data.train);
  add("reward", data.reward);
  add("test", data.test);
  return hash.hex();
}

void split_images(Dataset& data, SourceSet& source, bool reward_from_test) {
  const auto bytes = static_cast<std::size_t>(source.shape.elements());
  const std::size_t every = source.training.size() < kSmallTrainingFile ? 5 : 6;
  const std::size_t least_training = reward_from_test ? 1 : every;
  const std::size_t least_test = reward_from_test ? 2 : 1;
  if (source.training.size() < least_training || source.test.size() < least_test)
    throw InputError(
        fmt::format("{} holds {} training images and {} test images, too few to split: use at least "
                    "{} and {}",
                    data.spec, source.training.size(), source.test.size(), least_training, least_test));
  data.train = std::move(source.training);
  if (reward_from_test) {
    const std::size_t half = source.test.size() / 2;
    data.reward = part_of(source.test, 0, half, bytes);
    data.test = part_of(source.test, half, source.test.size(), bytes);
  } else {
    data.reward = take_every(data.train, every, bytes);
    data.test = std::move(source.test);
  }
}

}  // namespace

void check_given(const DataOptions& options, const Dataset& data) {
  const auto channels = static_cast<std::size_t>(data.shape.channels);
  if (options.mean.size() != channels || options.deviation.size() != channels)
    throw InputError(
        fmt::format("{} has {} channels, but {} means and {} deviations are given: give one of each "
                    "per channel, as --mean R,G,B --std R,G,B",
                    data.name, channels, options.mean.size(), options.deviation.size()));
  // A mean is also a pixel: what stands for 0 in the padding.
  for (const float mean : options.mean)
    if (!(mean >= 0 && mean <= 1))
      throw InputError(
          fmt::format("mean {} of {} is not in 0..1: pixels count as value/255", mean, data.name));
  for (const float deviation : options.deviation)
    if (!(deviation > 0 && std::isfinite(deviation)))
      throw InputError(
          fmt::format("deviation {} of {} is not above 0: pixels count as value/255", deviation, data.name));
}

Dataset split_set(SourceSet source, const DataOptions& options) {
  Dataset data;
  data.name = std::move(source.name);
  data.spec = std::move(source.spec);
  data.shape = source.shape;
  data.classes = source.classes;
  data.class_names = std::move(source.class_names);
  data.augmentation = source.augmentation;
  split_images(data, source, options.reward_from_test);
  data.stated = !source.mean.empty();
  if (options.mean.empty() && options.deviation.empty()) {
    data.mean = std::move(source.mean);
    data.deviation = std::move(source.deviation);
    if (!data.stated) set_statistics(data);
  } else {
    check_given(options, data);
    data.mean = options.mean;
    data.deviation = options.deviation;
  }
  data.split_hash = hash_of_splits(data);
  return data;
}

}  // namespace bitloop::quant
