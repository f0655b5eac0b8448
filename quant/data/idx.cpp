#include "quant/data/idx.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "host/base/error.h"
#include "quant/data/packed_file.h"

namespace bitloop::quant {
namespace {

constexpr std::uint32_t kImageMagic = 0x803;  // unsigned bytes, three dimensions
constexpr std::uint32_t kLabelMagic = 0x801;  // unsigned bytes, one dimension
constexpr std::uint32_t kMaxSide = 4096;

void expect_magic(PackedFile& file, std::uint32_t expected, const char* kind) {
  const std::uint32_t magic = file.read_u32();
  if (magic != expected)
    file.fail(
        fmt::format("is no IDX file of {} (magic {:#010x} instead of {:#010x})", kind, magic, expected));
}

std::filesystem::path find_idx(const std::filesystem::path& folder, const std::string& name) {
  std::filesystem::path path = find_packed(folder, name);
  if (path.empty())
    throw InputError(fmt::format("neither {0} nor {0}.gz is in {1}: put the data set's four IDX files there",
                                 name, folder.string()));
  return path;
}

/// One file pair of the set.
struct Part {
  Split split;
  host::Shape shape;
};

Part read_part(const std::filesystem::path& folder, const std::string& prefix, int classes) {
  const auto images_path = find_idx(folder, prefix + "-images-idx3-ubyte");
  const auto labels_path = find_idx(folder, prefix + "-labels-idx1-ubyte");
  IdxImages images = read_idx_images(images_path);
  const std::vector<std::uint8_t> labels = read_idx_labels(labels_path, classes);
  if (images.count != labels.size())
    throw InputError(fmt::format("{} holds {} images but {} holds {} labels: fetch both files again",
                                 images_path.string(), images.count, labels_path.string(), labels.size()));
  return {{std::move(images.pixels), {labels.begin(), labels.end()}}, {1, images.height, images.width}};
}

}  // namespace

IdxImages read_idx_images(const std::filesystem::path& path) {
  PackedFile file(path);
  expect_magic(file, kImageMagic, "images");
  const std::uint32_t count = file.read_u32();
  const std::uint32_t height = file.read_u32();
  const std::uint32_t width = file.read_u32();
  const bool sane = count > 0 && height > 0 && width > 0 && height <= kMaxSide && width <= kMaxSide;
  if (!sane || std::uint64_t{count} * height * width > kMaxFileBytes)
    file.fail(fmt::format("states impossible dimensions {} x {} x {}", count, height, width));
  IdxImages images{count, static_cast<int>(height), static_cast<int>(width), {}};
  images.pixels.resize(std::size_t{count} * height * width);
  file.read(images.pixels);
  file.expect_end();
  return images;
}

std::vector<std::uint8_t> read_idx_labels(const std::filesystem::path& path, int classes) {
  PackedFile file(path);
  expect_magic(file, kLabelMagic, "labels");
  const std::uint32_t count = file.read_u32();
  if (count == 0 || count > kMaxFileBytes)
    file.fail(fmt::format("states an impossible number of labels, {}", count));
  std::vector<std::uint8_t> labels(count);
  file.read(labels);
  file.expect_end();
  const auto wrong = std::ranges::find_if(labels, [&](std::uint8_t label) { return label >= classes; });
  if (wrong != labels.end())
    file.fail(fmt::format("has label {} at image {}, but the set has classes 0..{}", *wrong,
                          wrong - labels.begin(), classes - 1));
  return labels;
}

SourceSet read_idx_set(const std::filesystem::path& folder) {
  SourceSet source;
  Part training = read_part(folder, "train", source.classes);
  Part test = read_part(folder, "t10k", source.classes);
  if (training.shape != test.shape)
    throw InputError(
        fmt::format("training and test images in {} differ in size: fetch the files again", folder.string()));
  source.shape = training.shape;
  source.training = std::move(training.split);
  source.test = std::move(test.split);
  return source;
}

}  // namespace bitloop::quant
