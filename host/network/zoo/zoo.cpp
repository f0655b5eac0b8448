#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "host/base/error.h"
#include "host/network/network.h"
#include "host/network/zoo/families.h"

namespace bitloop::host {
namespace {

constexpr int kLargest = 8192;        // the last map of an average pool has at most 256 rows
constexpr int kMostClasses = 32'767;  // labels have 16 bits
constexpr double kNarrowest = 0.1;
constexpr double kWidest = 2;

struct ZooEntry {
  const char* name;
  Network (*build)(const zoo::Form& form);
  Shape image;
  int classes = 0;         ///< 0: no classifier
  int smallest = 1;        ///< height and width
  int largest = kLargest;  ///< likewise
  int multiple = 1;        ///< that height and width must be of
  bool has_width = false;  ///< takes a width multiplier behind its name
};

const ZooEntry kZoo[] = {
    {.name = "ad-autoencoder", .build = zoo::ad_autoencoder, .image = {640, 1, 1}, .largest = 1},
    {.name = "ds-cnn", .build = zoo::ds_cnn, .image = {1, 49, 10}, .classes = 12},
    {.name = "lenet", .build = zoo::lenet, .image = {1, 28, 28}, .classes = 10, .smallest = 12},
    {.name = "mobilenet-v1-0.25", .build = zoo::mobilenet_v1_quarter, .image = {3, 96, 96}, .classes = 2},
    {.name = "mobilenet-v2",
     .build = zoo::mobilenet_v2,
     .image = {3, 224, 224},
     .classes = 1000,
     .has_width = true},
    {.name = "resnet8", .build = zoo::resnet8, .image = {3, 32, 32}, .classes = 10},
    {.name = "resnet18", .build = zoo::resnet18, .image = {3, 224, 224}, .classes = 1000},
    {.name = "resnet20", .build = zoo::resnet20, .image = {3, 32, 32}, .classes = 10},
    {.name = "resnet50", .build = zoo::resnet50, .image = {3, 224, 224}, .classes = 1000},
    {.name = "yolov3", .build = zoo::yolov3, .image = {3, 416, 416}, .smallest = 32, .multiple = 32},
    {.name = "yolov3-tiny",
     .build = zoo::yolov3_tiny,
     .image = {3, 416, 416},
     .smallest = 32,
     .multiple = 32},
};

struct Choice {
  const ZooEntry* entry = nullptr;
  double width = 1;
};

/// A number without sign or exponent, all of `text`; else 0.
double width_of(std::string_view text) {
  double width = 0;
  if (text.empty() || text.front() < '0' || text.front() > '9') return 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), width, std::chars_format::fixed);
  return error == std::errc() && end == text.data() + text.size() ? width : 0;
}

/// A name, or a name, '-' and a width.
Choice choose(std::string_view name) {
  for (const ZooEntry& entry : kZoo)
    if (name == entry.name) return {&entry, 1};
  for (const ZooEntry& entry : kZoo) {
    if (!entry.has_width || !name.starts_with(std::string(entry.name) + "-")) continue;
    const double width = width_of(name.substr(std::string_view(entry.name).size() + 1));
    if (width >= kNarrowest && width <= kWidest) return {&entry, width};
    throw InputError(fmt::format("network '{}': {} takes a width multiplier from {} to {}, such as {}-0.35",
                                 name, entry.name, kNarrowest, kWidest, entry.name));
  }
  throw InputError(
      fmt::format("no network is named '{}'; use one of: {}", name, fmt::join(zoo_names(), ", ")));
}

void check_image(const ZooEntry& entry, const Shape& image) {
  const bool classifier = entry.classes > 0;
  const auto fits = [&](int size) {
    return size >= entry.smallest && size <= entry.largest && size % entry.multiple == 0;
  };
  const bool has_channels =
      image.channels == entry.image.channels || (classifier && (image.channels == 1 || image.channels == 3));
  if (has_channels && fits(image.height) && fits(image.width)) return;
  throw InputError(fmt::format(
      "{} cannot take images of {}x{}x{}: it needs {} channels, height and width {}..{}{}, such as {}x{}x{}",
      entry.name, image.channels, image.height, image.width,
      classifier ? "1 or 3" : std::to_string(entry.image.channels), entry.smallest, entry.largest,
      entry.multiple == 1 ? "" : fmt::format(" and multiples of {}", entry.multiple), entry.image.channels,
      entry.image.height, entry.image.width));
}

void check_classes(const ZooEntry& entry, int classes) {
  if (entry.classes == 0)
    throw InputError(fmt::format(
        "{} is no classifier and cannot be given {} classes: choose another model, or no data set",
        entry.name, classes));
  if (classes < 1 || classes > kMostClasses)
    throw InputError(
        fmt::format("{} cannot have {} classes: ask for 1 to {}", entry.name, classes, kMostClasses));
}

}  // namespace

std::vector<std::string> zoo_names() {
  std::vector<std::string> names;
  for (const ZooEntry& entry : kZoo) names.emplace_back(entry.name);
  return names;
}

Network zoo_network(std::string_view name, std::optional<Shape> image, std::optional<int> classes) {
  const Choice choice = choose(name);
  const Shape shape = image.value_or(choice.entry->image);
  check_image(*choice.entry, shape);
  if (classes) check_classes(*choice.entry, *classes);
  return choice.entry->build({shape, classes.value_or(choice.entry->classes), choice.width});
}

}  // namespace bitloop::host
