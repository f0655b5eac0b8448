#pragma once

#include <cstddef>

namespace bitloop::quant {

/// What a network made of labelled images.
struct Accuracy {
  double accuracy = 0;  ///< top-1, 0..1
  double loss = 0;      ///< mean cross entropy
  std::size_t images = 0;
};

}  // namespace bitloop::quant
