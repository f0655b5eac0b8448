#pragma once

#include <cstddef>

namespace bitloop::agent {

struct Interval {
  double low = 0;
  double high = 1;
};

/// 95 % interval of an accuracy over n images (Wilson's score interval).
Interval accuracy_interval(double accuracy, std::size_t images);

/// `a` is above `b`, both over n images, beyond the 95 % interval of their difference (normal, taken as
/// independent: on the same images the true interval is narrower, so this errs towards "not proven").
bool is_clearly_better(double a, double b, std::size_t images);

}  // namespace bitloop::agent
