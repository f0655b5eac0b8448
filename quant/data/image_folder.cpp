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
#include "quant/data/folder_listing.h"
#include "quant/data/image_file.h"
#include "quant/tensor/order.h"
#include "quant/tensor/threads.h"

namespace bitloop::quant {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxPixelBytes = std::uint64_t{8} << 30;
constexpr int kMaxSide = 4096;
/// Of the order of a set's files; no user's seed, because splits do not depend on that.
constexpr std::uint64_t kOrderSeed = 1;

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

SourceSet read_image_folder(const fs::path& folder, const std::optional<host::Shape>& size,
                            const std::vector<std::string>& class_names) {
  if (size) check_size(*size);
  FolderListing listing = list_image_folder(folder, class_names);
  if (listing.training.empty())
    throw InputError(
        fmt::format("{} holds no images to train on: put them into class folders", folder.string()));
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
