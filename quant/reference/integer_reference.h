#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "host/network/quantized_network.h"
#include "quant/data/accuracy.h"
#include "quant/data/dataset.h"
#include "quant/reference/code_memory.h"

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
  /// `memory`: of evaluations by one quantizer of splits that stay; what they share up to their first
  /// different layer is computed once, and changes no bit. Null: none.
  [[nodiscard]] Accuracy accuracy(const Split& split, double output_scale, int threads = 1,
                                  CodeMemory* memory = nullptr) const;
  /// Of the `chosen` ones of so many folds, in their order; no other image is computed. A fold's result does
  /// not depend on which others are chosen. Throws InputError for a fold that there is not.
  [[nodiscard]] std::vector<FoldAccuracy> fold_accuracies(const Split& split, double output_scale,
                                                          std::size_t folds,
                                                          std::span<const std::size_t> chosen,
                                                          int threads = 1,
                                                          CodeMemory* memory = nullptr) const;

 private:
  struct Impl;
  std::unique_ptr<const Impl> impl_;
};

}  // namespace bitloop::quant
