#include "quant/data/cifar.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "host/base/error.h"
#include "quant/data/packed_file.h"
#include "quant/model/hash.h"

namespace bitloop::quant {
namespace {

constexpr int kClasses = 10;
constexpr int kTrainingBatches = 5;
constexpr host::Shape kShape{3, 32, 32};
constexpr std::size_t kPlane = 32 * 32;
constexpr std::size_t kRecord = 1 + 3 * kPlane;

/// SHA-256 of unpacked test batches whose source had re-encoded the images as JPEG. Accuracies on them are
/// several points below those on the original images, so the name must say it.
constexpr std::array<std::string_view, 1> kJpegTestBatches = {
    "18fde75bb6b08389d237f73ff3863b75b88eb8920dadf3900bc92e4e644e6545",
};

/// Appends a batch's images to `split`, and returns the batch's SHA-256.
std::string append_batch(Split& split, const std::filesystem::path& path) {
  PackedFile file(path);
  const std::vector<std::uint8_t> bytes = file.read_rest();
  if (bytes.empty() || bytes.size() % kRecord != 0)
    file.fail(fmt::format("is truncated or no CIFAR-10 batch ({} bytes, no multiple of {})", bytes.size(),
                          kRecord));
  for (std::size_t record = 0; record < bytes.size() / kRecord; ++record) {
    const std::uint8_t* from = bytes.data() + record * kRecord;
    if (*from >= kClasses)
      file.fail(fmt::format("has label {} at image {}, but the set has classes 0..{}", *from, record,
                            kClasses - 1));
    split.labels.push_back(*from++);
    const std::size_t first = split.pixels.size();
    split.pixels.resize(first + 3 * kPlane);
    std::uint8_t* to = split.pixels.data() + first;
    for (std::size_t i = 0; i < kPlane; ++i)
      for (std::size_t channel = 0; channel < 3; ++channel) *to++ = from[channel * kPlane + i];
  }
  return Sha256().add(std::as_bytes(std::span(bytes))).hex();
}

}  // namespace

SourceSet read_cifar10(const std::filesystem::path& folder) {
  SourceSet source;
  source.shape = kShape;
  source.classes = kClasses;
  source.class_names = {"airplane", "automobile", "bird",  "cat",  "deer",
                        "dog",      "frog",       "horse", "ship", "truck"};
  source.augmentation = {4, true};
  const std::filesystem::path test = find_packed(folder, "test_batch.bin");
  for (int number = 1; number <= kTrainingBatches; ++number) {
    const auto batch = find_packed(folder, fmt::format("data_batch_{}.bin", number));
    if (!batch.empty()) append_batch(source.training, batch);
  }
  if (test.empty() || source.training.labels.empty())
    throw InputError(fmt::format(
        "no {} (or .gz) is in {}: put CIFAR-10's binary version there, test_batch.bin and at least "
        "one of data_batch_1.bin to data_batch_{}.bin",
        test.empty() ? "test_batch.bin" : "data_batch_1.bin", folder.string(), kTrainingBatches));
  const std::string hash = append_batch(source.test, test);
  const bool jpeg = std::ranges::find(kJpegTestBatches, hash) != kJpegTestBatches.end();
  source.name = jpeg ? "CIFAR-10 (JPEG)" : "CIFAR-10";
  return source;
}

}  // namespace bitloop::quant
