#pragma once

#include <array>
#include <cstdint>
#include <iterator>
#include <memory>
#include <vector>

#include "quant/retraining/quantizer.h"

namespace bitloop::quant {

struct SupernetOptions {
  int batch = 64;  ///< images of a step
  /// Of the float weights, by gradient descent with momentum: a twentieth of what trains them from nothing.
  double learning_rate = 5e-3;
  std::uint64_t seed = 1;  ///< draws the images of both kinds, and their order
};

/// A network all of whose policies share one set of float weights: what layers with weights multiply is a
/// mixture of the quantized forms of all widths, each with its share (differentiable searches: Wu et al.
/// 2018; weights and inputs are blended before one multiplication, as in EdMIPS, Cai and Vasconcelos 2020,
/// not results of many). Scales are those that policies start from and stay; gradients pass straight through
/// the rounding where it does not clip. Batch norms take each batch's own statistics.
///
/// Takes images of the train split only: four of five, drawn by the seed, train the weights, the others the
/// shares, without augmentation. Deterministic from the seed: one thread, the caller's; not thread-safe, but
/// several may exist at once.
class Supernet {
 public:
  /// Of each width in host::kWidths; 0 or more, their sum 1. A width of share 0 takes no part and has no
  /// gradient.
  using Shares = std::array<double, std::size(host::kWidths)>;
  /// Where they hold that of a width.
  [[nodiscard]] static std::size_t place_of(int bits);
  struct Mixture {
    std::vector<Shares> weights;  ///< per weight layer
    /// Per weight layer, of its input. Of layers that read tensors of one width class the first one counts,
    /// and has the gradient. The image keeps its 8 bits.
    std::vector<Shares> inputs;
  };
  struct Step {
    double loss = 0;   ///< mean cross entropy of the batch, before anything moved
    Mixture gradient;  ///< of the loss by the shares, each by itself (their sum held by nobody)
  };

  /// `recipe`: names quantizer and clipping, and calibrates. Throws InputError where the network is no
  /// classifier of the data's classes, for fewer than 2 training images, and options out of their range.
  Supernet(std::shared_ptr<const Quantizer> quantizer, const Retraining& recipe,
           const SupernetOptions& options = {});
  ~Supernet();

  /// The next batch, there and back. `rate`: of the learning rate, by which the weights then move; 0: a batch
  /// of the images for the shares, and the weights stay. Throws Diverged.
  Step step(const Mixture& mixture, double rate);
  /// Images of a step.
  [[nodiscard]] std::int64_t batch() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bitloop::quant
