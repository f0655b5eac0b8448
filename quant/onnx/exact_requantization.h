#pragma once

#include <vector>

#include "host/network/quantized_network.h"

namespace bitloop::quant {

double power_of_two(int exponent);
/// The bias without the constant that makes the shift round.
double exact_bias(const host::Requantization& r);

/// `zeros`: one for all channels, or one of each.
double zero_of(const std::vector<double>& zeros, int channel);
/// The dot product of a filter with its input's zero codes.
double zero_dot(const host::Network& network, const host::Layer& layer, const host::QuantizedLayer& integers,
                const std::vector<double>& zeros, std::size_t filter);

/// x * M of an elementwise operation as a factor of the real value, 1 where M is the rounded ratio of the
/// scales: the plain operation is what it stands for. `count` codes are summed for a mean.
double factor(double multiplier, double count, const host::Requantization& r, double in_scale,
              double out_scale);
/// Whether a bias comes from the rounding of zero points alone.
bool is_rounding(double bias, const host::Requantization& r);

}  // namespace bitloop::quant
