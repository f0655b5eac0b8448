#include "quant/retraining/retraining.h"

#include <cmath>

namespace bitloop::quant {

double learning_rate(const Retraining& options, int epoch, double done, double steps) {
  const double share = options.learning_rate_decay > 0 ? std::pow(options.learning_rate_decay, epoch)
                                                       : 0.5 * (1 + std::cos(M_PI * done / steps));
  return options.learning_rate * share;
}

}  // namespace bitloop::quant
