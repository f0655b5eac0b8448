#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host/network/network.h"

namespace bitloop::quant {

/// Images (HWC bytes, one after the other) and their labels.
struct Split {
  std::vector<std::uint8_t> pixels;
  std::vector<std::uint16_t> labels;
  [[nodiscard]] std::size_t size() const { return labels.size(); }
};

/// What training does to each image: shifts it by up to `shift` pixels each way (the room is filled with the
/// mean), mirrors half of them. Of a seed and the image's place in the epoch alone.
struct Augmentation {
  int shift = 0;
  bool mirror = false;
  [[nodiscard]] bool any() const { return shift > 0 || mirror; }
};

/// From `none`, or words separated by commas: `shift=N` (up to 64) and `mirror`. Throws InputError.
Augmentation augmentation_of(std::string_view text);

/// A data set, split by the rules of the design: test = the test file; reward = every 6th image of the
/// training file (every 5th below 20,000 images); train = the rest.
struct Dataset {
  std::string name;  ///< as shown to users, e.g. "Fashion-MNIST" or "CIFAR-10 (JPEG)"
  std::string spec;  ///< text that `load_dataset` took
  host::Shape shape;
  int classes = 10;
  std::vector<std::string> class_names;  ///< empty where the set has none
  std::vector<float> mean;               ///< per channel, of pixel/255
  std::vector<float> deviation;
  bool stated = false;        ///< the data itself says them: its numbers are what a network reads
  Augmentation augmentation;  ///< the usual one of this set
  Split train, reward, test;
  std::string split_hash;  ///< SHA-256 over which images are in which split; part of every checkpoint
};

/// What the command line says besides the name.
struct DataOptions {
  /// The network's: images of a folder are scaled to cover it, then their middle is taken; arrays are seen
  /// so.
  std::optional<host::Shape> image = {};
  std::optional<int> classes = {};  ///< the network's, for sets that do not say how many they have
  std::optional<std::filesystem::path> class_names =
      {};                                        ///< file of the network's classes, for image folders
  std::vector<float> mean = {}, deviation = {};  ///< instead of the train split's own; empty: those
  /// Where the training file was seen by whoever trained the network: reward = the first half of the test
  /// file, test = the second half, train = the training file.
  bool reward_from_test = false;
};

/// Throws InputError unless mean (0..1) and deviation (above 0) have a number per channel of the data.
void check_given(const DataOptions& options, const Dataset& data);

/// `fashion-mnist` (Debian's package), `mnist:DIR`, `cifar10:DIR` (binary version, plain or gzip; as many
/// training batches as there are), `folder:DIR` (`read_image_folder`) or `npy:DIR` (`read_npy_set`). Throws
/// InputError for an unknown set, a missing, truncated or mislabelled file (magic, counts, label range) and
/// an image that does not decode, naming the file.
Dataset load_dataset(std::string_view spec, const DataOptions& options = {});

/// Throws InputError where the network cannot take the data's images, naming both sizes.
void check_images(const host::Network& network, const Dataset& data);
/// Also where it is no classifier of the data's classes.
void check_fit(const host::Network& network, const Dataset& data);

}  // namespace bitloop::quant
