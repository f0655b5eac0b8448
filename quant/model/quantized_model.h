#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "host/network/quantized_network.h"

namespace bitloop::quant {

/// Real value of one step of a tensor's codes, per form; 0 where it has none.
struct TensorScales {
  double written = 0;
  double narrow = 0;
  bool operator==(const TensorScales&) const = default;
};

/// A network with the integers that the hardware computes with, and the real values that they stand for.
/// Without LibTorch.
struct QuantizedModel {
  host::QuantizedNetwork integers;
  /// Per tensor. A code stands for (code - zero) * scale; of the image: 1/255 before mean and deviation; of a
  /// result, the logits are codes * scale.
  std::vector<TensorScales> tensor_scales;
  /// Per layer of the network and filter: a weight stands for value * scale (a negative batch-norm gain has
  /// flipped the value). Empty where a layer has no weights.
  std::vector<std::vector<float>> weight_scales;
  std::vector<float> mean, deviation;  ///< per channel of the image, of pixel/255
  std::string quantizer;               ///< what found the integers, such as "lsq"
  double seconds = 0;
  std::string split_hash;  ///< of the data set that it was retrained on

  /// Scale of the first result's codes.
  [[nodiscard]] double output_scale() const { return tensor_scales.at(integers.network.output()).written; }
};

/// Writes and reads a quantized model (JSON header and integers), for run folders; to a temporary name, then
/// renamed.
void save_quantized(const QuantizedModel& model, const std::filesystem::path& path);
QuantizedModel load_quantized(const std::filesystem::path& path);

/// Writes the guide file: JSON that suffices to rerun the integer arithmetic without Bitloop (docs/guide.md
/// defines it): tensors, layers, bits, weights, multipliers, shifts, biases, zero points, ranges, scales.
void export_guide(const QuantizedModel& model, const std::filesystem::path& path);

}  // namespace bitloop::quant
