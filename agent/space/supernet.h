#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace bitloop::search {

/// Of every decision the shares of its choices: 0 or more, their sum 1.
using Mixture = std::vector<std::vector<double>>;

/// A network all of whose assignments share one set of weights, and that is passed with every decision a
/// mixture of its choices: what differentiable searches train. For one thread; deterministic.
class Supernet {
 public:
  virtual ~Supernet() = default;
  struct Pass {
    double loss = 0;   ///< mean cross entropy of a batch
    Mixture gradient;  ///< of the loss by each share, by itself; 0 where the share is 0
  };
  /// The next batch of training images, there and back. `rate`: above 0 the weights move behind it, by so
  /// much of their learning rate; 0: they stay, and the images are others, kept for the shares. Throws
  /// InputError where training diverges.
  virtual Pass pass(const Mixture& mixture, double rate) = 0;
  /// Of a pass, in evaluations: three passes of each image, pro rata as Prices.
  [[nodiscard]] virtual double price() const = 0;
  /// Images of a pass.
  [[nodiscard]] virtual int images() const = 0;
};

/// Makes one whose images `seed` draws; empty: a task has none, as a table. Any thread may call.
using MakeSupernet = std::function<std::unique_ptr<Supernet>(std::uint64_t seed)>;

}  // namespace bitloop::search
