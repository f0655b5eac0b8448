#pragma once

#include <string>
#include <vector>

#include "quant/data/dataset.h"

namespace bitloop::quant {

/// A data set as its source has it: a training file and a test file, in the source's order.
struct SourceSet {
  std::string name;
  std::string spec;
  host::Shape shape;
  int classes = 10;
  std::vector<std::string> class_names;
  Augmentation augmentation;
  /// Where the images are codes of a network's own numbers: how they go back, (pixel/255 - mean) / deviation.
  std::vector<float> mean, deviation;
  Split training, test;
};

/// Splits by the rules of the design (see `Dataset`, `DataOptions`), takes mean and deviation from the train
/// split unless they are given, and hashes which images are where. Throws InputError for too few images, or
/// means and deviations that do not fit the channels.
Dataset split_set(SourceSet source, const DataOptions& options);

}  // namespace bitloop::quant
