#include "quant/data/image_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <exception>
#include <limits>
#include <mutex>
#include <random>
#include <string>
#include <system_error>
#include <thread>

#include "host/base/error.h"
#include "quant/data/image_file.h"
#include "quant/tensor/order.h"
#include "quant/tensor/threads.h"

namespace bitloop::quant {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxClasses = 65'535;
constexpr std::size_t kTestEvery = 5;
constexpr std::uint64_t kMaxPixelBytes = std::uint64_t{8} << 30;
constexpr int kMaxSide = 4096;
/// Of the order of a set's files; no user's seed, because splits do not depend on that.
constexpr std::uint64_t kOrderSeed = 1;

struct ImagePath {
  fs::path path;
  std::uint16_t label = 0;
};

bool is_hidden(const fs::path& path) { return path.filename().native().starts_with('.'); }

template <std::size_t N>
bool has_extension(const fs::path& path, const std::array<const char*, N>& extensions) {
  std::string extension = path.extension().string();
  std::ranges::transform(extension, extension.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return std::ranges::find(extensions, extension) != extensions.end();
}

/// Images of other formats are refused: a set that silently lacks some of its images would be another set.
bool is_image(const fs::path& path) {
  constexpr std::array kRead = {".png", ".jpg", ".jpeg", ".tif", ".tiff"};
  constexpr std::array kOthers = {".bmp", ".gif", ".webp", ".jp2", ".ppm", ".pgm", ".heic", ".avif"};
  if (has_extension(path, kOthers))
    throw InputError(fmt::format("{} is no PNG, JPEG or TIFF image: convert or remove it", path.string()));
  return has_extension(path, kRead);
}

/// Entries of `folder` that `wanted` takes, by the bytes of their names.
template <typename Wanted>
std::vector<fs::path> sorted_entries(const fs::path& folder, const Wanted& wanted) {
  std::vector<fs::path> found;
  try {
    for (const fs::directory_entry& entry : fs::directory_iterator(folder))
      if (!is_hidden(entry.path()) && wanted(entry)) found.push_back(entry.path());
  } catch (const fs::filesystem_error& error) {
    throw InputError(
        fmt::format("cannot list {} ({}): check its permissions", folder.string(), error.code().message()));
  }
  std::ranges::sort(found, {}, [](const fs::path& path) -> const std::string& { return path.native(); });
  return found;
}

std::vector<fs::path> folders_of(const fs::path& folder) {
  return sorted_entries(folder, [](const fs::directory_entry& entry) { return entry.is_directory(); });
}

std::vector<std::string> names_of(const std::vector<fs::path>& paths) {
  std::vector<std::string> names;
  for (const fs::path& path : paths) names.push_back(path.filename().string());
  return names;
}

std::vector<fs::path> images_of(const fs::path& folder) {
  auto images = sorted_entries(folder, [](const fs::directory_entry& entry) {
    return is_image(entry.path()) && entry.is_regular_file();
  });
  if (images.empty())
    throw InputError(fmt::format(
        "class folder {} holds no PNG, JPEG or TIFF image: put images there or remove it", folder.string()));
  return images;
}

/// What belongs to the training file and to the test file.
struct Listing {
  std::vector<std::string> classes;
  std::vector<ImagePath> training, test;
};

std::vector<std::string> class_names(const fs::path& folder) {
  std::vector<std::string> names = names_of(folders_of(folder));
  if (names.size() < 2 || names.size() > kMaxClasses)
    throw InputError(
        fmt::format("{} holds {} class folders: put the images of each class into a folder of its own, "
                    "2 to {} of them",
                    folder.string(), names.size(), kMaxClasses));
  return names;
}

/// DIR/CLASS/*
Listing list_one_tree(const fs::path& folder) {
  Listing listing{class_names(folder), {}, {}};
  for (std::size_t label = 0; label < listing.classes.size(); ++label) {
    const std::vector<fs::path> images = images_of(folder / listing.classes[label]);
    for (std::size_t i = 0; i < images.size(); ++i)
      (i % kTestEvery == kTestEvery - 1 ? listing.test : listing.training)
          .push_back({images[i], static_cast<std::uint16_t>(label)});
  }
  return listing;
}

/// DIR/train/CLASS/* and DIR/test/CLASS/*; the test file may lack classes.
Listing list_two_trees(const fs::path& train, const fs::path& test) {
  Listing listing{class_names(train), {}, {}};
  const auto append = [](std::vector<ImagePath>& to, const fs::path& folder, std::size_t label) {
    for (fs::path& path : images_of(folder))
      to.push_back({std::move(path), static_cast<std::uint16_t>(label)});
  };
  for (std::size_t label = 0; label < listing.classes.size(); ++label)
    append(listing.training, train / listing.classes[label], label);
  for (const fs::path& folder : folders_of(test)) {
    const auto at = std::ranges::find(listing.classes, folder.filename().string());
    if (at == listing.classes.end())
      throw InputError(
          fmt::format("class folder {} has no counterpart in {}: use the same class names in both",
                      folder.string(), train.string()));
    append(listing.test, folder, static_cast<std::size_t>(at - listing.classes.begin()));
  }
  return listing;
}

Listing list_images(const fs::path& folder) {
  const std::vector<std::string> names = names_of(folders_of(folder));
  const bool train = std::ranges::find(names, "train") != names.end();
  const bool test = std::ranges::find(names, "test") != names.end();
  if (train && test) return list_two_trees(folder / "train", folder / "test");
  const char* lone = train ? "train" : test ? "test" : nullptr;
  // A class may be called so; then it holds images.
  if (lone != nullptr && !folders_of(folder / lone).empty())
    throw InputError(
        fmt::format("{} has {} but no {}: add it, or give the folder that holds the class folders",
                    folder.string(), lone, train ? "test" : "train"));
  return list_one_tree(folder);
}

void shuffle(std::vector<ImagePath>& images) {
  std::mt19937_64 generator(kOrderSeed);
  const at::Tensor order = shuffled_order(static_cast<std::int64_t>(images.size()), generator);
  std::vector<ImagePath> shuffled;
  for (std::size_t i = 0; i < images.size(); ++i)
    shuffled.push_back(std::move(images[static_cast<std::size_t>(order.data_ptr<std::int64_t>()[i])]));
  images = std::move(shuffled);
}

/// Calls `action(i)` for every i below `count`, on all cores; rethrows what the smallest i threw.
template <typename Action>
void on_all_cores(std::size_t count, const Action& action) {
  std::atomic<std::size_t> next = 0;
  std::atomic<std::size_t> failed = std::numeric_limits<std::size_t>::max();
  std::exception_ptr failure;
  std::mutex mutex;
  const auto attempt = [&](std::size_t i) {
    try {
      action(i);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (i >= failed) return;
      failed = i;
      failure = std::current_exception();
    }
  };
  // Numbers are taken in order, so all below a failed one are done or under way.
  const auto work = [&] {
    for (std::size_t i = next++; i < count && i < failed; i = next++) attempt(i);
  };
  {
    std::vector<std::jthread> threads;
    for (int i = 1; i < TorchThreads::all(); ++i) threads.emplace_back(work);
    work();
  }
  if (failure) std::rethrow_exception(failure);
}

Split decode(const ImageReader& reader, const std::vector<ImagePath>& images, const host::Shape& shape,
             bool scaled) {
  const auto bytes = static_cast<std::size_t>(shape.elements());
  Split split;
  split.pixels.resize(images.size() * bytes);
  for (const ImagePath& image : images) split.labels.push_back(image.label);
  on_all_cores(images.size(), [&](std::size_t i) {
    const Image image = reader.read(images[i].path, scaled ? std::optional(shape) : std::nullopt);
    if (image.shape != shape)
      throw InputError(fmt::format(
          "{} is {}x{} pixels, but the set's first image is {}x{}: give one size for all, "
          "as --input 3x224x224",
          images[i].path.string(), image.shape.height, image.shape.width, shape.height, shape.width));
    std::ranges::copy(image.pixels, split.pixels.begin() + static_cast<std::ptrdiff_t>(i * bytes));
  });
  return split;
}

void check_size(const host::Shape& size) {
  const bool channels = size.channels == 1 || size.channels == 3;
  if (!channels || size.height < 1 || size.width < 1 || size.height > kMaxSide || size.width > kMaxSide)
    throw InputError(
        fmt::format("images cannot be read as {}x{}x{}: use 1 or 3 channels and sides of 1 to {} "
                    "pixels",
                    size.channels, size.height, size.width, kMaxSide));
}

void check_memory(const fs::path& folder, std::size_t images, const host::Shape& shape) {
  const auto bytes = static_cast<std::uint64_t>(images) * static_cast<std::uint64_t>(shape.elements());
  if (bytes > kMaxPixelBytes)
    throw InputError(
        fmt::format("{} images of {}x{}x{} in {} take {:.1f} GiB, above {}: give a smaller --input, or "
                    "use fewer images",
                    images, shape.channels, shape.height, shape.width, folder.string(),
                    static_cast<double>(bytes) / (1 << 30), kMaxPixelBytes >> 30));
}

std::string name_of(const fs::path& folder) {
  const fs::path clean = fs::absolute(folder).lexically_normal();
  return clean.has_filename() ? clean.filename().string() : clean.parent_path().filename().string();
}

}  // namespace

SourceSet read_image_folder(const fs::path& folder, const std::optional<host::Shape>& size) {
  if (size) check_size(*size);
  Listing listing = list_images(folder);
  const ImageReader reader;
  SourceSet source;
  source.shape = size ? *size : reader.read(listing.training.front().path, {}).shape;
  check_memory(folder, listing.training.size() + listing.test.size(), source.shape);
  shuffle(listing.training);
  shuffle(listing.test);
  source.training = decode(reader, listing.training, source.shape, size.has_value());
  source.test = decode(reader, listing.test, source.shape, size.has_value());
  source.name = name_of(folder);
  source.classes = static_cast<int>(listing.classes.size());
  source.class_names = std::move(listing.classes);
  source.augmentation = {std::min(source.shape.height, source.shape.width) / 8, true};
  return source;
}

}  // namespace bitloop::quant
