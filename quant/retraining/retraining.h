#pragma once

#include <cstdint>
#include <string>

#include "host/base/error.h"

namespace bitloop::quant {

/// How a policy is retrained from the float checkpoint. The defaults cost LeNet about 2.8 s on one core.
struct Retraining {
  int epochs = 1;
  int images = 36000;           ///< training images per epoch (a fixed, seeded subset); 0: all
  double learning_rate = 1e-3;  ///< of 4-bit weights; wider ones move slower, narrower ones faster
  int batch = 64;
  std::uint64_t seed = 1;
  std::string quantizer = "lsq";   ///< a name of quantizers/methods.h
  std::string clipping = "mixed";  ///< start scales, a name of quantizers/clipping.h
  std::string optimizer = "adam";  ///< adam or sgd
  /// Factor of the rate from each epoch to the next; 0: none, the rate falls along a cosine to zero.
  double learning_rate_decay = 0;
  double distillation = 0.5;  ///< share of the float network's probabilities in the targets
  /// The data set's augmentation; the float network is then asked about each image. Off: a few epochs from a
  /// trained network gain nothing by it.
  bool augment = false;
  /// Stops after so many epochs without a better loss on the end of the train split (1/20 of it, then not
  /// trained on), and keeps the best epoch; 0: never.
  int patience = 0;
  /// So many training images (or all, where there are fewer) make start scales and batch-norm statistics.
  int calibration_images = 512;
  /// Which ones: 0: evenly spread ones, else drawn.
  std::uint64_t calibration_seed = 0;
};

/// The learning rate of a step in `epoch` (from 0), before which `done` of `steps` were made.
double learning_rate(const Retraining& options, int epoch, double done, double steps);

/// Retraining has left the numbers.
class Diverged : public InputError {
 public:
  Diverged() : InputError("retraining diverged: use a smaller --learning-rate") {}
};

}  // namespace bitloop::quant
