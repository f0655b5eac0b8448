#pragma once

#include <ATen/ATen.h>

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "host/policy.h"
#include "quant/quantizers/encoding.h"

namespace bitloop::quant {

/// Ways to choose where a quantizer's range ends, hence its scale (Huang et al. 2021; Zhao et al. 2019).
/// `mixed` takes, per layer and width, whichever of the others has the least error.
enum class Clipping { max, mse, aciq, kl, percentile, mixed };
std::string_view name_of(Clipping clipping);
/// Throws InputError, listing the names.
Clipping clipping_of(std::string_view name);
std::vector<std::string> clipping_names();

/// Scale per filter (row of [filter, inputs]) for weights of `bits` bits. 1 bit has nothing to clip: its scale
/// is the mean magnitude, whatever the method. `mixed` chooses one method for the whole layer, by squared
/// error weighted with `input_power` (mean square of each input, [inputs]; undefined: all 1).
at::Tensor weight_scales(const at::Tensor& weights, int bits, Clipping clipping,
                         const at::Tensor& input_power = {}, Clipping* chosen = nullptr);

/// Scale of a tensor's codes from a sample of its values.
double activation_scale(const at::Tensor& sample, const CodeRange& range, Clipping clipping,
                        Clipping* chosen = nullptr);

/// Index of a width in host::kWidths.
int width_index(int bits);

/// All start scales of a network, computed once: a policy change is a look-up.
struct ClippingTable {
  Clipping clipping = Clipping::mixed;
  template <typename T>
  using PerWidth = std::array<T, std::size(host::kWidths)>;
  std::vector<PerWidth<at::Tensor>> weights;   ///< [weight layer][width], per filter
  std::vector<PerWidth<double>> activations;   ///< [tensor][width]; of scale owners only
  std::vector<PerWidth<Clipping>> weight_choices, activation_choices;  ///< what `mixed` took
};

}  // namespace bitloop::quant
