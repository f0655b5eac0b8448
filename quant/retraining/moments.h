#pragma once

#include <ATen/ATen.h>

namespace bitloop::quant {

/// Per filter (dimension 1), over all images and places.
struct Moments {
  at::Tensor mean, variance;  ///< the variance of the population: divided by the count
};

/// Of sums of products of codes, whole numbers in float. On the CPU in one pass, several times faster than
/// LibTorch's: their sums and squares are whole numbers too, exact in double up to 2^53 and good to 13 digits
/// beyond, so that little is lost by subtracting the square of the mean.
Moments moments_of(const at::Tensor& sums);

}  // namespace bitloop::quant
