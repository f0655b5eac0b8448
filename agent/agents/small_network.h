#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "quant/tensor/threads.h"

namespace bitloop::agents {

/// While an agent learns: one LibTorch thread, since cores belong to the evaluations; and numbers below the
/// normal ones, which processors are slow with, are 0: an actor at the ends of its range makes many.
class LearningThread {
 public:
  LearningThread();
  ~LearningThread();
  LearningThread(const LearningThread&) = delete;
  LearningThread& operator=(const LearningThread&) = delete;

 private:
  quant::TorchThreads one_{1};
};

/// A part of a network's parameters, filled uniformly from -bound to bound.
struct Part {
  std::vector<std::int64_t> shape;
  double bound = 0;
};

/// Parameters of a small network. They lie in one piece, and so do their gradients: such networks spend their
/// time on the number of operations. Shared with whoever copies it.
struct Parameters {
  at::Tensor all;                 ///< every parameter; has a gradient from the start
  std::vector<at::Tensor> parts;  ///< views of `all`, in order

  /// Sets the gradient of a loss for these parameters, and of none else that it depends on.
  void differentiate(const at::Tensor& loss) const;
};

/// Values come from `random`, not from LibTorch's global generator, which the evaluations may use meanwhile.
Parameters make_parameters(const std::vector<Part>& parts, std::mt19937_64& random);

/// Linear layers of so many inputs, hidden values and outputs: for each a weight [out, in] and a bias [out].
/// The last one starts small, so that first outputs are near 0 (Lillicrap et al. 2016, section 7).
std::vector<Part> linear_parts(const std::vector<int>& widths);

/// Such layers with ReLU between: [row, input] to [row, output].
at::Tensor linear_layers(std::span<const at::Tensor> parts, at::Tensor x);

}  // namespace bitloop::agents
