#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "quant/quantizers/clipping.h"
#include "quant/quantizers/methods.h"
#include "quant/retraining/start_point.h"
#include "quant/sensitivity/sensitivity.h"
#include "quant/tensor/threads.h"
#include "quant/training/float_network.h"

namespace bitloop::quant {

inline constexpr std::int64_t kWidthCount = std::size(host::kWidths);

/// The float network that all policies of a quantizer start from, in the units that its quantizers see, and
/// images to look at it with. Safe to use from several threads at once. The quantizer must outlive it.
class Subject {
 public:
  /// `batch_share`: a batch has so many times fewer images than one that keeps its tensors could have.
  Subject(const Quantizer& quantizer, const Retraining& recipe, const SensitivityOptions& options,
          std::int64_t batch_share = 1);

  [[nodiscard]] const host::Network& network() const { return network_; }
  [[nodiscard]] const std::vector<FloatLayer>& layers() const { return layers_; }
  [[nodiscard]] std::int64_t images() const { return places_.numel(); }
  [[nodiscard]] std::int64_t batches() const { return batches_; }
  [[nodiscard]] std::int64_t images_of(std::int64_t batch) const { return first(batch + 1) - first(batch); }

  /// A pass over a batch, by `layers()` or copies of them. Where gradients are on, all that follows from the
  /// image has them.
  [[nodiscard]] FloatPass forward(const std::vector<FloatLayer>& layers, std::int64_t batch) const;
  /// The cross entropy with the labels, summed over the batch.
  [[nodiscard]] at::Tensor loss(const FloatPass& pass, std::int64_t batch) const;

  /// Squares of what quantizing adds to a layer's weights: [width, filter, inputs].
  [[nodiscard]] at::Tensor weight_errors(std::size_t layer) const;
  /// Tensors that layers with weights read and whose width is a choice.
  [[nodiscard]] const std::vector<int>& read_tensors() const { return read_; }
  [[nodiscard]] int width_class(int tensor) const { return start_.classes.at(tensor); }
  /// Its first width: signed tensors have no 1 bit.
  [[nodiscard]] std::int64_t first_width(int tensor) const { return network_.tensors.at(tensor).is_signed; }
  /// Squares of what quantizing adds to what is read of a tensor, [image, values].
  [[nodiscard]] at::Tensor input_error(int tensor, const at::Tensor& values, std::int64_t width) const;

  /// Per weight layer, from estimates for width classes (index: their first tensor).
  [[nodiscard]] std::vector<Sensitivities::PerWidth> by_layer(
      const std::vector<Sensitivities::PerWidth>& of_classes) const;
  /// Calls `work(batch)` for all batches, several at once, with gradients on or off; tells how far it is.
  void for_batches(bool gradients, const Progress& progress,
                   const std::function<void(std::int64_t batch)>& work) const;

 private:
  const TorchThreads one_{1};  ///< sums outside of batches would depend on their number

  [[nodiscard]] std::int64_t first(std::int64_t batch) const { return batch * images() / batches_; }

  const StartPoint& start_;
  const Method& method_;
  const ClippingTable& scales_;
  host::Network network_;
  std::vector<FloatLayer> layers_;
  at::Tensor places_;  ///< of the images in the train split
  at::Tensor labels_;
  std::int64_t batches_ = 1;
  int threads_;
  std::vector<int> read_;
};

/// Zeros for samples [row, width, sample].
at::Tensor no_samples(std::size_t rows, std::int64_t samples);
/// Per row and width, the mean of samples [row, width, sample] and its variance.
std::vector<Sensitivities::PerWidth> estimates(const at::Tensor& samples);

}  // namespace bitloop::quant
