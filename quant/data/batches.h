#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <optional>

#include "quant/data/dataset.h"

namespace bitloop::quant {

struct Batch {
  at::Tensor pixels;   ///< [image, channel, row, column] bytes, augmented
  at::Tensor labels;   ///< [image] int64
  at::Tensor indices;  ///< [image] int64, places in the split
};

/// Places of the images that every epoch draws of a split of `all`: `images` of them (0: all), chosen by the
/// seed, in the order of the draw.
at::Tensor drawn_places(std::int64_t all, std::int64_t images, std::uint64_t seed);

/// One pass over images of a split in a seeded order, cut into batches; a thread prepares the next ones while
/// the caller works on this one. The same batches whatever the timing. The split must outlive it. A last,
/// smaller batch is left out; where the pass has fewer images than a batch, they are the one batch. For one
/// caller's thread. Throws InputError for options below their range and a shape that is not the split's.
class Batches {
 public:
  struct Options {
    std::int64_t batch = 64;
    std::int64_t images = 0;  ///< of the pass: a seeded subset, the same in every epoch; 0: all
    std::uint64_t seed = 1;
    std::uint64_t epoch = 0;  ///< another order and other augmentations with the same subset
    Augmentation augmentation = {};
    /// drawn_places() of this pass, for whoever makes many: each else shuffles the whole split. Undefined:
    /// drawn here.
    at::Tensor drawn = {};
  };
  Batches(const Split& split, const host::Shape& shape, const std::vector<float>& mean,
          const Options& options);
  ~Batches();
  [[nodiscard]] std::int64_t count() const;
  /// Nothing after the last one. Rethrows what the thread threw.
  std::optional<Batch> next();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bitloop::quant
