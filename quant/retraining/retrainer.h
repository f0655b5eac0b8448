#pragma once

#include <ATen/ATen.h>

#include <array>
#include <cstdint>
#include <vector>

#include "quant/evaluation.h"
#include "quant/training/float_network.h"
#include "quant/plan.h"
#include "quant/quantizers/encoding.h"

namespace bitloop::quant {

/// Everything about a network and its data that no policy changes, computed once: start weights, start scales
/// for every layer and bit-width, training images. `steps` points into `network`: moves keep it valid, copies
/// would not.
struct StartPoint {
  StartPoint() = default;
  StartPoint(StartPoint&&) = default;
  StartPoint& operator=(StartPoint&&) = default;

  host::Network network;
  std::vector<Step> steps;         ///< with fused pools, in execution order
  std::vector<int> owners;         ///< per tensor, whose scale it shares
  std::vector<FloatLayer> layers;  ///< the image's deviation folded into the weights that read it
  std::vector<at::Tensor>
      float_means;  ///< per weight layer and filter: mean of weights times input plus bias
  std::vector<std::array<at::Tensor, std::size(host::kWidths)>> weight_scales;  ///< [layer][width] per filter
  std::vector<std::array<double, std::size(host::kWidths)>>
      activation_scales;                 ///< [tensor][width], owners only
  std::vector<std::uint8_t> image_zero;  ///< pixel that stands for 0, per channel
  at::Tensor pixels;                     ///< training images, [image, channel, row, column] bytes
  at::Tensor targets;                    ///< [image, class], what the loss compares with
};

StartPoint make_start_point(const host::Network& network, const FloatCheckpoint& checkpoint,
                            const Dataset& data);

/// A network under one policy while it is retrained. All tensors between layers are codes less their zero
/// code, held in floats; sums of their products are exact, and the multipliers have the hardware's 16 bits,
/// so the graph that is trained computes what the hardware computes. Not thread-safe; `start` must outlive
/// it.
class Retrainer {
 public:
  Retrainer(const StartPoint& start, const host::Policy& policy, const Retraining& options);

  /// Batch-norm statistics with quantizers on; where a layer has none, its bias is corrected instead.
  void estimate_statistics();
  void retrain();
  [[nodiscard]] QuantizedModel integers() const;

 private:
  friend struct RetrainerProbe;  // the tests' view of gradients

  /// Views into the flat vectors of all parameters and of their gradients.
  struct Parameter {
    at::Tensor value, gradient;
  };
  struct LayerState {
    Parameter weight, log_scale, gain, shift;
    at::Tensor mean, inverse_deviation;  ///< batch-norm statistics
    int bits = 8;
  };
  /// The affine map from dot products to codes, per filter.
  struct Affine {
    at::Tensor multiplier, offset;
  };
  /// What a step's forward pass leaves for its backward pass.
  struct Saved {
    at::Tensor input;   ///< as the layer reads it, 4- or 2-dimensional
    at::Tensor ratio;   ///< weight / scale
    at::Tensor values;  ///< of the weights, flipped where the gain is negative
    at::Tensor sign;    ///< of the gain, per filter
    at::Tensor sums;    ///< dot products before pooling
    at::Tensor pooled;  ///< dot products after pooling (the same where there is no pool)
    at::Tensor pool_indices;
    at::Tensor mean, inverse_deviation;  ///< statistics that this pass used
    Affine affine;
    at::Tensor exact;
    CodeRange range;
  };
  enum class Statistics { stored, of_batch };

  void allocate(const host::Policy& policy);
  [[nodiscard]] CodeRange range_of(const host::Layer& layer) const;
  [[nodiscard]] at::Tensor scale_of(int tensor) const;
  [[nodiscard]] at::Tensor batch_images(const at::Tensor& chosen) const;
  /// A tensor in the form that a weight layer multiplies: [image, channel, row, column], or flat where
  /// linear.
  [[nodiscard]] at::Tensor as_read(const Step& step, const at::Tensor& input) const;
  void quantize_weights(const Step& step, Saved& saved) const;
  [[nodiscard]] at::Tensor multiply(const Step& step, const Saved& saved) const;
  void batch_statistics(const Step& step, const Saved& saved, at::Tensor& mean, at::Tensor& variance) const;
  [[nodiscard]] Affine affine_of(const Step& step, const Saved& saved) const;
  at::Tensor forward_step(const Step& step, const at::Tensor& input, Saved& saved,
                          Statistics statistics) const;
  /// Result codes, or logits for the network's output.
  at::Tensor forward(const at::Tensor& images, std::vector<Saved>& saved, Statistics statistics) const;
  at::Tensor backward_step(const Step& step, const Saved& saved, const at::Tensor& above,
                           Statistics statistics);
  void backward(const std::vector<Saved>& saved, const at::Tensor& gradient, Statistics statistics);
  void optimize(double rate);
  [[nodiscard]] host::QuantizedLayer layer_integers(const Step& step, double output_scale) const;
  [[nodiscard]] double output_scale(const Step& step) const;

  const StartPoint& start_;
  Retraining options_;
  std::vector<int> tensor_bits_;  ///< per tensor: what can be trained has no narrow forms
  host::Policy policy_;
  at::Tensor values_, gradients_, rates_;  ///< flat, over all parameters
  at::Tensor first_moment_, second_moment_;
  std::int64_t updates_ = 0;
  std::vector<LayerState> layers_;
  std::vector<Parameter> activation_log_scales_;  ///< per tensor, owners only
  at::Tensor order_;                              ///< of the training images
};

}  // namespace bitloop::quant
