#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "host/error.h"
#include "quant/data/dataset.h"
#include "quant/model.h"
#include "quant/quantized_model.h"

namespace bitloop::quant {

using Progress = std::function<void(double done /* 0..1 */, const std::string& note)>;

struct Accuracy {
  double accuracy = 0;  ///< top-1, 0..1
  double loss = 0;      ///< mean cross entropy
  std::size_t images = 0;
};

struct FloatTraining {
  int epochs = 5;
  std::uint64_t seed = 1;
  double learning_rate = 2e-3;  ///< the largest of the cycle
  int batch = 128;
  std::string optimizer = "adam";  ///< adam (with decoupled weight decay) or sgd (momentum 0.9)
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
  /// Standard deviation of every weight layer's weights, in execution order (a feature of the agent's state).
  [[nodiscard]] std::vector<double> weight_deviations() const;

  struct Impl;
  std::shared_ptr<const Impl> impl;
};

/// How a policy is retrained from the float checkpoint. The defaults cost LeNet about 2.8 s on one core.
struct Retraining {
  int epochs = 1;
  int images = 36000;           ///< training images per epoch (a fixed, seeded subset); 0: all
  double learning_rate = 1e-3;  ///< of 4-bit weights; wider ones move slower, narrower ones faster
  int batch = 64;
  std::uint64_t seed = 1;
  std::string quantizer = "lsq";   ///< a name of quantizers/methods.h
  std::string clipping = "mixed";  ///< start scales, a name of quantizers/clipping.h
  std::string optimizer = "adam";  ///< adam or sgd; the rate falls along a cosine to zero
  double distillation = 0.5;       ///< share of the float network's probabilities in the targets
  /// The data set's augmentation; the float network is then asked about each image. Off: a few epochs from a
  /// trained network gain nothing by it.
  bool augment = false;
  /// Stops after so many epochs without a better loss on the end of the train split (1/20 of it, then not
  /// trained on), and keeps the best epoch; 0: never.
  int patience = 0;
  /// Which 512 training images start scales and batch-norm statistics come from: 0: evenly spread ones, else
  /// drawn.
  std::uint64_t calibration_seed = 0;
};

/// Retraining has left the numbers.
class Diverged : public InputError {
 public:
  Diverged() : InputError("retraining diverged: use a smaller --learning-rate") {}
};

/// Retrains the float network under a policy: start weights and scales (one per tensor and bit-width),
/// batch-norm re-estimation, retraining on one thread, integers. Deterministic in (policy, options),
/// whichever thread calls; `const` and safe to call from several threads at once.
class Quantizer {
 public:
  /// Throws InputError where the checkpoint is of another network or was trained on other images (unless it
  /// knows of none: an imported one), or the network takes other images.
  Quantizer(const host::Network& network, const FloatCheckpoint& checkpoint, const Dataset& data);
  ~Quantizer();
  /// Any network where `options.epochs` is 0 (it needs no labels then); else a classifier of the data's
  /// classes. Throws InputError for options out of their range and names that nobody has, and Diverged.
  [[nodiscard]] QuantizedModel quantize(const host::Policy& policy, const Retraining& options,
                                        const Progress& progress = {}) const;
  /// Also which class the graph that was trained, on floats, gives every image of a split: to be compared
  /// with the integers' classes.
  struct Predicted {
    QuantizedModel model;
    std::vector<int> classes;
  };
  [[nodiscard]] Predicted quantize_and_predict(const host::Policy& policy, const Retraining& options,
                                               const Split& split) const;

 private:
  struct Impl;
  std::unique_ptr<const Impl> impl_;
};

/// The integer arithmetic of the hardware, in batches, on LibTorch: byte for byte `host::golden_run`.
class IntegerReference {
 public:
  explicit IntegerReference(const host::QuantizedNetwork& network);
  ~IntegerReference();
  /// All tensors of each image (HWC bytes, one after the other) in all their forms.
  [[nodiscard]] std::vector<host::TensorCodes> run(std::span<const std::uint8_t> images) const;
  // On one thread, as an evaluation of a search runs; or on several, which share the images. Their number
  // changes no bit of the result.
  /// Class of every image.
  [[nodiscard]] std::vector<int> classes(const Split& split, int threads = 1) const;
  [[nodiscard]] Accuracy accuracy(const Split& split, double output_scale, int threads = 1) const;

 private:
  struct Impl;
  std::unique_ptr<const Impl> impl_;
};

}  // namespace bitloop::quant
