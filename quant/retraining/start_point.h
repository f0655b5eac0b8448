#pragma once

#include <ATen/ATen.h>

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "quant/quantizers/clipping.h"
#include "quant/reference/plan.h"
#include "quant/retraining/moments.h"
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

/// Which training images a calibration takes: so many, or all where there are fewer; seed 0: evenly spread
/// over the train split, else drawn.
struct CalibrationImages {
  std::int64_t count = 512;
  std::uint64_t seed = 0;
  auto operator<=>(const CalibrationImages&) const = default;
};

/// Which training images a retraining draws: `images` (0: all) of the first `of` ones.
struct DrawnImages {
  std::int64_t of = 0;
  std::int64_t images = 0;
  std::uint64_t seed = 1;
  auto operator<=>(const DrawnImages&) const = default;
};

/// The float network's probabilities for images that a retraining draws.
struct Teaching {
  at::Tensor probabilities;  ///< [drawn image, class]
  at::Tensor rows;           ///< [image of the train split]: its row; -1: it is not drawn
  /// [image, class] of images at these places of the train split.
  [[nodiscard]] at::Tensor of(const at::Tensor& places) const;
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

  const Calibration& calibration(const CalibrationImages& images = {}) const;
  /// Kept in the cache between runs, as the next: neither changes by it.
  const ClippingTable& scales(Clipping clipping, const CalibrationImages& images = {}) const;
  const Teaching& teaching(const DrawnImages& drawn) const;
  /// The float network's probabilities, [image, class].
  [[nodiscard]] at::Tensor teach(const at::Tensor& pixels) const;
  [[nodiscard]] std::int64_t train_images() const;
  /// Training images at these places as bytes [image, channel, row, column].
  [[nodiscard]] at::Tensor train_pixels(const at::Tensor& places) const;
  /// Images of a batch as the network reads them: code - zero code; channels side by side, as all tensors of
  /// the graph that LibTorch does not arrange otherwise then are: its convolutions are several times faster.
  [[nodiscard]] at::Tensor codes_of(const at::Tensor& pixels) const;

 private:
  /// What a batch of images adds to a calibration.
  struct CalibrationPart {
    std::vector<MomentSums> sums;             ///< per weight layer; empty: none of them makes statistics
    std::vector<at::Tensor> patches;          ///< per weight layer
    std::vector<at::Tensor> samples, maxima;  ///< per tensor, as ActivationSample; undefined: none
  };
  [[nodiscard]] Calibration calibrate(const CalibrationImages& images) const;
  [[nodiscard]] CalibrationPart calibration_part(const Calibration& calibration, std::int64_t first,
                                                 std::int64_t images) const;
  void join(std::span<const CalibrationPart> parts, Calibration& result) const;
  [[nodiscard]] Teaching teach_drawn(const DrawnImages& drawn) const;

  std::string content_hash_;  ///< the checkpoint's
  std::vector<FloatLayer> teacher_;
  mutable std::mutex mutex_;  // of what follows
  mutable std::map<CalibrationImages, Calibration> calibrations_;
  mutable std::map<std::pair<Clipping, CalibrationImages>, ClippingTable> tables_;
  mutable std::map<DrawnImages, Teaching> teachings_;
};

/// The network whose layers a calibration has written anew: norms where those have one, and the image as
/// codes, which no limits of the float network's round.
host::Network calibrated_network(const StartPoint& start, const std::vector<FloatLayer>& layers);

}  // namespace bitloop::quant
