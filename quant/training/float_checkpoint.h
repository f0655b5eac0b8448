#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "quant/data/accuracy.h"
#include "quant/data/dataset.h"
#include "quant/model/model.h"
#include "quant/model/progress.h"

namespace bitloop::quant {

struct FloatTraining {
  int epochs = 5;
  std::uint64_t seed = 1;
  double learning_rate = 2e-3;  ///< the largest of the cycle
  int batch = 128;
  std::string optimizer = "adam";  ///< adam (with decoupled weight decay) or sgd (momentum 0.9)
  int images = 0;  ///< of the train split, those that retraining draws by the same seed; 0: all
};

/// Float weights of a network after training, with what they were trained on. Values are shared and
/// immutable.
class FloatCheckpoint {
 public:
  static FloatCheckpoint train(const host::Network& network, const Dataset& data,
                               const FloatTraining& options, const Progress& progress = {});
  /// The parameters of an imported network. `data` gives mean and deviation where the network does not; its
  /// images need not be those that the network was trained on.
  static FloatCheckpoint imported(const FloatNetwork& model, const Dataset& data);
  /// Random start weights, where only geometry and arithmetic matter; of any network.
  static FloatCheckpoint untrained(const host::Network& network, const Dataset& data, std::uint64_t seed);
  /// Throws InputError where the file is no checkpoint of this network or its split hash differs from the
  /// data's.
  static FloatCheckpoint load(const host::Network& network, const Dataset& data,
                              const std::filesystem::path& path);
  /// Writes to a temporary name, then renames.
  void save(const std::filesystem::path& path) const;

  /// The checkpoint kept in `$XDG_CACHE_HOME/bitloop` for this network, data and options; trains it where
  /// absent.
  static FloatCheckpoint cached(const host::Network& network, const Dataset& data,
                                const FloatTraining& options, const Progress& progress = {});

  [[nodiscard]] Accuracy accuracy(const Split& split) const;
  /// SHA-256, in hexadecimal, over the network's geometry, all parameters, mean and deviation.
  [[nodiscard]] std::string content_hash() const;
  /// Standard deviation of every weight layer's weights, in execution order (a feature of the agent's state).
  [[nodiscard]] std::vector<double> weight_deviations() const;

  /// Per channel of the image, of pixel/255: what it was trained with.
  [[nodiscard]] const std::vector<float>& mean() const;
  [[nodiscard]] const std::vector<float>& deviation() const;

  struct Impl;
  std::shared_ptr<const Impl> impl;
};

}  // namespace bitloop::quant
