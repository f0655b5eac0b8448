#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>
#include <random>

namespace bitloop::search {

/// Above 0, below 1; the same numbers with every library.
inline double uniform_number(std::mt19937_64& random) {
  return (static_cast<double>(random() >> 11) + 0.5) * 0x1p-53;
}

/// A standard normal number by Box and Muller: std::normal_distribution differs from library to library.
inline double normal_number(std::mt19937_64& random) {
  const double radius = std::sqrt(-2 * std::log(uniform_number(random)));
  return radius * std::cos(2 * std::numbers::pi * uniform_number(random));
}

}  // namespace bitloop::search
