#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "host/network/quantized_network.h"
#include "quant/data/accuracy.h"
#include "quant/data/dataset.h"

namespace bitloop::quant {

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
