#pragma once

#include <cstddef>

namespace bitloop::quant {

/// What a network made of labelled images.
struct Accuracy {
  double accuracy = 0;  ///< top-1, 0..1
  double loss = 0;      ///< mean cross entropy
  std::size_t images = 0;
};

/// The same of one fold of a split. Cut in F folds, image i belongs to fold i mod F: images may come class by
/// class, and so every fold, and every set of folds, has its share of each class. Sizes differ by 1 at most.
struct FoldAccuracy {
  std::size_t images = 0;
  std::size_t correct = 0;
  double loss_sum = 0;  ///< of the images' cross entropies

  bool operator==(const FoldAccuracy&) const = default;
};

}  // namespace bitloop::quant
