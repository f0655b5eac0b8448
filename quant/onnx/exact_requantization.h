#pragma once

#include "host/network/quantized_network.h"

namespace bitloop::quant {

double power_of_two(int exponent);
/// The bias without the constant that makes the shift round.
double exact_bias(const host::Requantization& r);

/// x * M of an elementwise operation as a factor of the real value, 1 where M is the rounded ratio of the
/// scales: the plain operation is what it stands for. `count` codes are summed for a mean.
double factor(double multiplier, double count, const host::Requantization& r, double in_scale,
              double out_scale);
/// Whether a bias comes from the rounding of zero points alone.
bool is_rounding(double bias, const host::Requantization& r);

}  // namespace bitloop::quant
