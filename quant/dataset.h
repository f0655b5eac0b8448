#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "host/network.h"

namespace bitloop::quant {

/// Images (HWC bytes, one after the other) and their labels.
struct Split {
  std::vector<std::uint8_t> pixels;
  std::vector<std::uint8_t> labels;
  [[nodiscard]] std::size_t size() const { return labels.size(); }
};

/// A data set, split by the rules of the design: test = the test file; reward = every 6th image of the
/// training file (every 5th below 20,000 images); train = the rest.
struct Dataset {
  std::string name;  ///< as shown to users, e.g. "Fashion-MNIST"
  std::string spec;  ///< text that `load_dataset` took
  host::Shape shape;
  int classes = 10;
  std::vector<float> mean;  ///< per channel, of pixel/255
  std::vector<float> deviation;
  Split train, reward, test;
  std::string split_hash;  ///< SHA-256 over which images are in which split; part of every checkpoint
};

/// `fashion-mnist` (Debian's package) or `mnist:DIR`. Throws InputError for an unknown set, a missing,
/// truncated or mislabelled file (magic, counts, label range), naming the file.
Dataset load_dataset(std::string_view spec);

}  // namespace bitloop::quant
