#include "quant/data/dataset.h"

#include <fmt/format.h>

#include <cmath>
#include <filesystem>

#include "host/error.h"
#include "quant/hash.h"
#include "quant/data/idx.h"

namespace bitloop::quant {
namespace {

constexpr const char* kFashionMnistFolder = "/usr/share/datasets/fashion-mnist";
constexpr std::size_t kSmallTrainingFile = 20'000;

/// One file pair of the set.
struct Part {
  IdxImages images;
  std::vector<std::uint8_t> labels;
};

Part read_part(const std::filesystem::path& folder, const std::string& prefix, int classes) {
  const auto images_path = find_idx(folder, prefix + "-images-idx3-ubyte");
  const auto labels_path = find_idx(folder, prefix + "-labels-idx1-ubyte");
  Part part{read_idx_images(images_path), read_idx_labels(labels_path, classes)};
  if (part.images.count != part.labels.size())
    throw InputError(fmt::format("{} holds {} images but {} holds {} labels: fetch both files again",
                                 images_path.string(), part.images.count, labels_path.string(),
                                 part.labels.size()));
  return part;
}

void append(Split& split, const Part& part, std::size_t image) {
  const std::size_t bytes = static_cast<std::size_t>(part.images.height) * part.images.width;
  const auto first = part.images.pixels.begin() + static_cast<std::ptrdiff_t>(image * bytes);
  split.pixels.insert(split.pixels.end(), first, first + static_cast<std::ptrdiff_t>(bytes));
  split.labels.push_back(part.labels[image]);
}

/// Mean and standard deviation of pixel/255, from the histogram: exact, whatever the order.
void set_statistics(Dataset& data) {
  std::vector<double> histogram(256, 0.0);
  for (const std::uint8_t pixel : data.train.pixels) histogram[pixel] += 1;
  double sum = 0, squares = 0;
  for (int value = 0; value < 256; ++value) {
    sum += histogram[value] * value;
    squares += histogram[value] * value * value;
  }
  const double count = static_cast<double>(data.train.pixels.size());
  const double mean = sum / count;
  const double deviation = std::sqrt(std::max(squares / count - mean * mean, 1.0));
  data.mean = {static_cast<float>(mean / 255)};
  data.deviation = {static_cast<float>(deviation / 255)};
}

std::string hash_of_splits(const Dataset& data) {
  Sha256 hash;
  const auto add = [&](const char* name, const Split& split) {
    hash.add(fmt::format("{} {} {}x{}x{};", name, split.size(), data.shape.channels, data.shape.height,
                         data.shape.width));
    hash.add(std::as_bytes(std::span(split.labels))).add(std::as_bytes(std::span(split.pixels)));
  };
  add("train", data.train);
  add("reward", data.reward);
  add("test", data.test);
  return hash.hex();
}

Dataset load_idx_set(std::string name, std::string_view spec, const std::filesystem::path& folder) {
  Dataset data;
  data.name = std::move(name);
  data.spec = spec;
  const Part training = read_part(folder, "train", data.classes);
  const Part test = read_part(folder, "t10k", data.classes);
  if (training.images.height != test.images.height || training.images.width != test.images.width)
    throw InputError(
        fmt::format("training and test images in {} differ in size: fetch the files again", folder.string()));
  data.shape = {1, training.images.height, training.images.width};

  const std::size_t count = training.labels.size();
  const std::size_t every = count < kSmallTrainingFile ? 5 : 6;
  if (count < every)
    throw InputError(fmt::format("{} holds {} training images, too few to split: use at least {}",
                                 folder.string(), count, every));
  data.train.pixels.reserve(training.images.pixels.size());
  for (std::size_t image = 0; image < count; ++image)
    append(image % every == every - 1 ? data.reward : data.train, training, image);
  data.test = {test.images.pixels, {test.labels.begin(), test.labels.end()}};
  set_statistics(data);
  data.split_hash = hash_of_splits(data);
  return data;
}

}  // namespace

Dataset load_dataset(std::string_view spec, const DataOptions&) {
  if (spec == "fashion-mnist") {
    if (!std::filesystem::is_directory(kFashionMnistFolder))
      throw InputError(
          fmt::format("Fashion-MNIST is not in {}: install Debian's package dataset-fashion-mnist "
                      "(apt-get install dataset-fashion-mnist)",
                      kFashionMnistFolder));
    return load_idx_set("Fashion-MNIST", spec, kFashionMnistFolder);
  }
  constexpr std::string_view kMnist = "mnist:";
  if (spec.starts_with(kMnist) && spec.size() > kMnist.size()) {
    const std::filesystem::path folder(spec.substr(kMnist.size()));
    if (!std::filesystem::is_directory(folder))
      throw InputError(fmt::format(
          "{} is no directory: give the folder of MNIST's four IDX files, as mnist:DIR", folder.string()));
    return load_idx_set("MNIST", spec, folder);
  }
  throw InputError(fmt::format("unknown data set '{}': use fashion-mnist or mnist:DIR", spec));
}

}  // namespace bitloop::quant
