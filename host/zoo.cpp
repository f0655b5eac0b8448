#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "host/error.h"
#include "host/network.h"
#include "host/zoo/families.h"

namespace bitloop::host {
namespace {

struct ZooEntry {
  const char* name;
  Network (*build)(const Shape& image);
  Shape image;
  int smallest = 1;  ///< height and width
  int multiple = 1;  ///< that height and width must be of
};

const ZooEntry kZoo[] = {
    {"lenet", zoo::lenet, {1, 28, 28}, 12, 1},
    {"mobilenet-v2", zoo::mobilenet_v2, {3, 224, 224}},
    {"resnet18", zoo::resnet18, {3, 224, 224}},
    {"resnet20", zoo::resnet20, {3, 32, 32}},
    {"resnet50", zoo::resnet50, {3, 224, 224}},
    {"yolov3", zoo::yolov3, {3, 416, 416}, 32, 32},
    {"yolov3-tiny", zoo::yolov3_tiny, {3, 416, 416}, 32, 32},
};
constexpr int kLargest = 8192;  // the last map of an average pool has at most 256 rows

void check_image(const ZooEntry& entry, const Shape& image) {
  const auto fits = [&](int size) {
    return size >= entry.smallest && size <= kLargest && size % entry.multiple == 0;
  };
  if (image.channels == entry.image.channels && fits(image.height) && fits(image.width)) return;
  throw InputError(fmt::format(
      "{} cannot take images of {}x{}x{}: it needs {} channel{}, height and width {}..{}{}, such as {}x{}x{}",
      entry.name, image.channels, image.height, image.width, entry.image.channels,
      entry.image.channels == 1 ? "" : "s", entry.smallest, kLargest,
      entry.multiple == 1 ? "" : fmt::format(" and multiples of {}", entry.multiple), entry.image.channels,
      entry.image.height, entry.image.width));
}

}  // namespace

std::vector<std::string> zoo_names() {
  std::vector<std::string> names;
  for (const ZooEntry& entry : kZoo) names.emplace_back(entry.name);
  return names;
}

Network zoo_network(std::string_view name, std::optional<Shape> image) {
  const auto entry =
      std::find_if(std::begin(kZoo), std::end(kZoo), [&](const ZooEntry& e) { return e.name == name; });
  if (entry == std::end(kZoo)) {
    throw InputError(
        fmt::format("no network is named '{}'; use one of: {}", name, fmt::join(zoo_names(), ", ")));
  }
  const Shape shape = image.value_or(entry->image);
  check_image(*entry, shape);
  return entry->build(shape);
}

}  // namespace bitloop::host
