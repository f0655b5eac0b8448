#include "quant/data/dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <sstream>

#include <filesystem>

#include "host/base/error.h"
#include "quant/data/cifar.h"
#include "quant/data/folder_listing.h"
#include "quant/data/idx.h"
#include "quant/data/image_folder.h"
#include "quant/data/npy.h"
#include "quant/data/splits.h"
#include "quant/model/geometry.h"

namespace bitloop::quant {
namespace {

constexpr const char* kFashionMnistFolder = "/usr/share/datasets/fashion-mnist";

/// The folder in `spec` where it is of `kind` ("mnist:" and so on); else empty.
std::filesystem::path folder_in(std::string_view spec, std::string_view kind, const char* content) {
  if (!spec.starts_with(kind) || spec.size() == kind.size()) return {};
  std::filesystem::path folder(spec.substr(kind.size()));
  if (!std::filesystem::is_directory(folder))
    throw InputError(
        fmt::format("{} is no directory: give the folder of {}, as {}DIR", folder.string(), content, kind));
  return folder;
}

SourceSet read_set(std::string_view spec, const DataOptions& options) {
  if (spec == "fashion-mnist") {
    if (!std::filesystem::is_directory(kFashionMnistFolder))
      throw InputError(
          fmt::format("Fashion-MNIST is not in {}: install Debian's package dataset-fashion-mnist "
                      "(apt-get install dataset-fashion-mnist)",
                      kFashionMnistFolder));
    SourceSet source = read_idx_set(kFashionMnistFolder);
    source.name = "Fashion-MNIST";
    return source;
  }
  if (const auto mnist = folder_in(spec, "mnist:", "MNIST's four IDX files"); !mnist.empty()) {
    SourceSet source = read_idx_set(mnist);
    source.name = "MNIST";
    return source;
  }
  if (const auto cifar = folder_in(spec, "cifar10:", "CIFAR-10's binary version"); !cifar.empty())
    return read_cifar10(cifar);
  if (const auto images = folder_in(spec, "folder:", "class folders"); !images.empty())
    return read_image_folder(
        images, options.image,
        options.class_names ? read_class_names(*options.class_names) : std::vector<std::string>());
  if (const auto arrays = folder_in(spec, "npy:", "train_x.npy and the others"); !arrays.empty()) {
    SourceSet source = read_npy_set(arrays, options.image);
    source.classes = std::max(source.classes, options.classes.value_or(0));
    return source;
  }
  throw InputError(fmt::format(
      "unknown data set '{}': use fashion-mnist, mnist:DIR, cifar10:DIR, folder:DIR, npy:DIR or noise",
      spec));
}

}  // namespace

Augmentation augmentation_of(std::string_view text) {
  constexpr int kLargestShift = 64;
  Augmentation augmentation;
  if (text == "none") return augmentation;
  std::istringstream words{std::string(text)};
  for (std::string word; std::getline(words, word, ',');) {
    const std::string number = word.starts_with("shift=") ? word.substr(6) : "";
    const char* const end = number.data() + number.size();
    const auto [next, error] = std::from_chars(number.data(), end, augmentation.shift);
    const bool shifts = !number.empty() && error == std::errc{} && next == end && augmentation.shift >= 0 &&
                        augmentation.shift <= kLargestShift;
    if (word == "mirror") {
      augmentation.mirror = true;
    } else if (!shifts) {
      throw InputError(
          fmt::format("unknown augmentation '{}': give none, mirror, shift=N (0..{}) or both with a comma",
                      word, kLargestShift));
    }
  }
  return augmentation;
}

Dataset load_dataset(std::string_view spec, const DataOptions& options) {
  SourceSet source = read_set(spec, options);
  source.spec = spec;
  return split_set(std::move(source), options);
}

void check_images(const host::Network& network, const Dataset& data) {
  const host::Shape& in = network.tensors.at(network.input).shape;
  if (in == data.shape) return;
  throw InputError(fmt::format(
      "{} takes {}x{}x{} images but {} holds {}x{}x{}: choose another model or data set", network.name,
      in.channels, in.height, in.width, data.name, data.shape.channels, data.shape.height, data.shape.width));
}

void check_fit(const host::Network& network, const Dataset& data) {
  require_classifier(network);
  check_images(network, data);
  const host::Shape& out = network.tensors.at(network.output()).shape;
  if (class_count(network) == data.classes) return;
  throw InputError(fmt::format("{} has {} outputs but {} has {} classes: choose another model or data set",
                               network.name, out.elements(), data.name, data.classes));
}

}  // namespace bitloop::quant
