#pragma once

#include <ATen/ATen.h>

#include <vector>

namespace bitloop::quant {

/// Per filter (dimension 1), over all images and places.
struct Moments {
  at::Tensor mean, variance;  ///< the variance of the population: divided by the count
};

/// Sums per filter of a layer's results and of their squares. Of sums of products of codes they are whole
/// numbers, exact in double up to 2^53 and good to 13 digits beyond, so that little is lost by subtracting
/// the square of the mean.
class MomentSums {
 public:
  /// `results`: [image, filter, ...]. On the CPU in one pass, several times faster than LibTorch's.
  void add(const at::Tensor& results);
  void add(const MomentSums& other);
  [[nodiscard]] Moments moments() const;

 private:
  void add(const std::vector<double>& values, const std::vector<double>& squares, double count);

  std::vector<double> values_, squares_;
  double count_ = 0;
};

Moments moments_of(const at::Tensor& results);

}  // namespace bitloop::quant
