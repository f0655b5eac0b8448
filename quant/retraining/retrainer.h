#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <vector>

#include "quant/retraining/optimizer.h"
#include "quant/retraining/quantized_graph.h"
#include "quant/retraining/retraining.h"

namespace bitloop::quant {

/// Of these options: which images calibrate, and the start scales of the method. Throws InputError for names
/// that nobody has.
CalibrationImages calibration_images(const Retraining& options);
const ClippingTable& start_scales(const StartPoint& start, const Method& method, const Retraining& options);

/// The loop that retrains a graph: batches, their targets, phases of the batch-norm statistics, the rate's
/// cosine, early stop. Not thread-safe; `start` must outlive it.
class Retrainer {
 public:
  /// Calibrated, not yet retrained. Throws InputError for names that nobody has.
  Retrainer(const StartPoint& start, const host::Policy& policy, const Retraining& options,
            CodeMemory* memory = nullptr);

  void retrain(const Progress& progress = {});
  [[nodiscard]] QuantizedGraph& graph() { return graph_; }
  /// With the stored statistics, as the integers compute.
  [[nodiscard]] std::vector<int> predict(const Split& split);

 private:
  /// What early stop goes back to.
  struct Snapshot {
    at::Tensor values;
    std::vector<at::Tensor> means, inverse_deviations;
  };

  void estimate_statistics();
  /// `teaching`: what is known of the images at `indices`; null: the float network is asked.
  [[nodiscard]] at::Tensor targets_of(const at::Tensor& pixels, const at::Tensor& labels,
                                      const Teaching* teaching, const at::Tensor& indices) const;
  [[nodiscard]] double loss(const Split& split);
  [[nodiscard]] Snapshot snapshot();
  void restore(const Snapshot& snapshot);

  const StartPoint& start_;
  Retraining options_;
  QuantizedGraph graph_;
  at::Tensor statistic_codes_;  ///< images of the re-estimation
};

}  // namespace bitloop::quant
