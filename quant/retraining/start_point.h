#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "quant/quantizers/clipping.h"
#include "quant/reference/plan.h"
#include "quant/training/float_checkpoint.h"
#include "quant/training/float_network.h"

namespace bitloop::quant {

/// What a few training images say about the float network: where start scales come from.
struct Calibration {
  at::Tensor pixels;                  ///< [image, channel, row, column] bytes
  std::int64_t statistic_images = 0;  ///< so many of the first ones make statistics and means
  /// Per weight layer and filter: mean of the results, before the activation.
  std::vector<at::Tensor> float_means;
  /// StartPoint::layers written anew: each has a batch norm whose mean and variance are those of its results
  /// on these images. Statistics that are estimated again under a policy are thereby relative to the float
  /// network's, whatever norms it came with: trained ones, mere scales and shifts, folded ones, or none. Only
  /// 32-bit results and layers that pass channels on have a bias instead.
  std::vector<FloatLayer> layers;
  ClippingSamples samples;  ///< activations: of the first tensor of each width class
};

/// Everything about a network, its float parameters and its training images that no policy changes. What
/// costs time is computed when it is first asked for, and kept. Safe to use from several threads at once.
class StartPoint {
 public:
  /// Throws InputError where the checkpoint is of another network or was trained on other images.
  StartPoint(const host::Network& network, const FloatCheckpoint& checkpoint, const Dataset& data);
  StartPoint(const StartPoint&) = delete;  // `steps` points into `network`
  StartPoint& operator=(const StartPoint&) = delete;

  host::Network network;
  std::vector<Step> steps;  ///< with fused pools, in execution order
  std::vector<int>
      classes;  ///< per tensor, the first one of its width class: forms of one width share a scale
  std::vector<FloatLayer> layers;  ///< of codes - zero code of the image: its deviation and mean folded in
  std::vector<std::uint8_t> image_zero;  ///< pixel that stands for 0, per channel
  std::vector<float> mean, deviation;    ///< per channel of the image, of pixel/255
  at::Device device;
  Split train;
  Augmentation augmentation;
  int image_classes = 0;
  std::string split_hash;

  /// Whether the float network reads pixels as they are: it has no quantizer of the image, or one whose steps
  /// are those of pixels. Others change the float network only.
  [[nodiscard]] bool reads_pixels() const;

  /// Seed 0: images evenly spread over the train split; else drawn.
  const Calibration& calibration(std::uint64_t seed) const;
  const ClippingTable& scales(Clipping clipping, std::uint64_t seed) const;
  /// The float network's probabilities, [image, class].
  [[nodiscard]] at::Tensor teach(const at::Tensor& pixels) const;
  /// The same for the train split, image by image as it is.
  const at::Tensor& teaching() const;
  /// Images of a batch as the network reads them: code - zero code.
  [[nodiscard]] at::Tensor codes_of(const at::Tensor& pixels) const;

 private:
  [[nodiscard]] Calibration calibrate(std::uint64_t seed) const;

  std::vector<FloatLayer> teacher_;
  mutable std::mutex mutex_;  // of what follows
  mutable std::map<std::uint64_t, Calibration> calibrations_;
  mutable std::map<std::pair<Clipping, std::uint64_t>, ClippingTable> tables_;
  mutable at::Tensor teaching_;
};

}  // namespace bitloop::quant
