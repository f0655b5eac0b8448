#pragma once

#include <functional>
#include <string_view>
#include <vector>

namespace bitloop::search {

/// What choices do, each alone, as the float network tells it before any assignment is evaluated.
struct FloatEffects {
  std::vector<std::vector<double>> values{};  ///< [decision][choice], of all that a choice sets
  double price = 0;                           ///< of all together, in evaluations, by passes of images
};

/// Measures them by name: shares of what is quantized that quantization noise is (`sqnr`), or rises of the
/// loss. The same for every search of a task; empty: there is no network, as for a table. Any thread may
/// call.
using MeasureFloatEffects = std::function<FloatEffects(std::string_view measure)>;

}  // namespace bitloop::search
