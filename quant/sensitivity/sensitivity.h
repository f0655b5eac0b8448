#pragma once

#include <array>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "host/network/policy.h"
#include "quant/model/progress.h"
#include "quant/retraining/quantizer.h"

namespace bitloop::quant {

/// A number that was measured on some images, and its variance by their choice (and by that of probes).
struct Estimate {
  double value = 0;
  double variance = 0;
};

/// What quantizing one tensor alone does, for every tensor and width, told from the float network before any
/// policy is evaluated. Of tensors that are quantized together the values add up.
struct Sensitivities {
  using PerWidth = std::array<Estimate, std::size(host::kWidths)>;
  std::vector<PerWidth> weights;  ///< [weight layer][width as in host::kWidths]
  /// [weight layer]: of all that layers with weights read of its input's width class; 0 where that is the
  /// image, and at widths that it cannot have.
  std::vector<PerWidth> inputs;
  int weight_images = 0, input_images = 0;  ///< that the values were taken on
  double passes = 0;                        ///< of an image through the network; a way back counts as two
};

struct SensitivityOptions {
  int images = 512;  ///< of the train split, drawn by the seed; all where there are fewer
  int probes = 2;    ///< random vectors for weights, and for inputs, of a batch, where a measure takes such
  std::uint64_t seed = 1;  ///< of images and probes
  int threads = 1;         ///< changes no result
};

/// A way to tell sensitivities from the float network: data, so that a new one is a new row.
struct SensitivityMeasure {
  std::string_view name;
  std::string_view about;  ///< one line with its source
  /// Values are shares of a tensor's power, to be shown as decibels below it; else rises of the mean loss.
  bool is_noise_share = false;
  /// Of what the quantizer's policies start from, by the scales of `recipe`. Deterministic in all but
  /// `threads`. Throws InputError where gradients are needed and labels are not the network's classes.
  Sensitivities (*measure)(const Quantizer& quantizer, const Retraining& recipe,
                           const SensitivityOptions& options, const Progress& progress) = nullptr;
};

/// `fisher`, `sqnr`, `hutchinson`. Throws InputError, listing them.
const SensitivityMeasure& sensitivity_measure(std::string_view name);
std::vector<std::string> sensitivity_measure_names();

}  // namespace bitloop::quant
