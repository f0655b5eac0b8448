#pragma once

#include <memory>
#include <vector>

#include "quant/data/dataset.h"
#include "quant/model/progress.h"
#include "quant/model/quantized_model.h"
#include "quant/reference/code_memory.h"
#include "quant/retraining/retraining.h"
#include "quant/training/float_checkpoint.h"

namespace bitloop::quant {

class StartPoint;

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
  /// `memory`: of evaluations by this quantizer; the statistics that policies share up to their first
  /// different layer are then computed once, which changes no bit. Null: none.
  [[nodiscard]] QuantizedModel quantize(const host::Policy& policy, const Retraining& options,
                                        const Progress& progress = {}, CodeMemory* memory = nullptr) const;
  /// Also which class the graph that was trained, on floats, gives every image of a split: to be compared
  /// with the integers' classes.
  struct Predicted {
    QuantizedModel model;
    std::vector<int> classes;
  };
  [[nodiscard]] Predicted quantize_and_predict(const host::Policy& policy, const Retraining& options,
                                               const Split& split) const;
  /// What all its policies start from.
  [[nodiscard]] const StartPoint& start() const;

 private:
  struct Impl;
  std::unique_ptr<const Impl> impl_;
};

}  // namespace bitloop::quant
