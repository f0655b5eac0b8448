#pragma once

#include <ATen/ATen.h>

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "host/network/network.h"
#include "host/network/policy.h"
#include "quant/quantizers/encoding.h"
#include "quant/quantizers/names.h"

namespace bitloop::quant {

/// Ways to choose where a quantizer's range ends, hence its scale (Huang et al. 2021; Zhao et al. 2019).
enum class Clipping {
  max,         ///< clips nothing
  mse,         ///< least squared error, by a scan: of the values, of weights with patches of the results
  aciq,        ///< least expected squared error of a Laplace or Gauss fit (Banner et al. 2019)
  kl,          ///< least divergence of the histogram from the quantized one's (TensorRT)
  percentile,  ///< the magnitude that a fixed share of the values stays below
  mixed,       ///< per layer and width what a quantized file states, else whichever of those above has the
               ///< least error
  equalized,   ///< CMC 2024: one symmetric range per layer for weights; activations: mean of images' maxima
  stated,  ///< as `mixed`; where a file states ends of an activation's range only, at these at every width
};
std::string_view name_of(Clipping clipping);
/// Throws InputError, listing the names.
Clipping clipping_of(std::string_view name);

/// A layer's weights and what decides which clipping is best for them.
struct WeightSample {
  at::Tensor values;  ///< [filter, inputs]
  /// What the filters multiply (`input_patches`): [patch, inputs], with groups [group, patch, inputs].
  /// Undefined: the error of the weights themselves decides.
  at::Tensor patches;
  at::Tensor gain;         ///< [filter] of the batch norm that follows; undefined: none does
  at::Tensor stated = {};  ///< [filter] scales that a quantized file states; undefined: none
};

/// Scale per filter for weights of `bits` bits. 1 bit has nothing to clip: its scale is the mean magnitude,
/// whatever the method. `mixed` and `stated` take the scales at which all weights of the layer are codes,
/// where there are such: those of a quantized file. Else `mixed` chooses one method for the whole layer: the
/// one of least error of the layer's results on the patches, without what re-estimated batch-norm statistics
/// (mean and deviation of a filter's results) or a corrected bias (mean) repair. Plain squared error of the
/// weights would prefer to clip those few that carry most.
at::Tensor weight_scales(const WeightSample& sample, int bits, Clipping clipping, Clipping* chosen = nullptr);
at::Tensor weight_scales(const at::Tensor& weights, int bits, Clipping clipping);

/// Values that a tensor takes.
struct ActivationSample {
  at::Tensor values;  ///< [image, values] (or [values], as one image); undefined: the tensor owns no scale
  bool is_signed = false;
  /// [image]: largest magnitude of all values of each image, of which `values` may be a part. Undefined: that
  /// of `values`.
  at::Tensor image_maxima = {};
  /// Limits of the tensors that share the scale, where the network has some; and those of their narrow forms,
  /// which 8 bits do not have.
  std::vector<host::Limits> stated = {}, stated_narrow = {};
};

/// Whether limits round to steps, all of which the codes of a range can be.
bool fits_codes(const host::Limits& limits, const CodeRange& range);

/// Scale of a tensor's codes. `mixed` takes the step that the network states for codes of that width; without
/// one, the method of least error to the power of 4 over the sample, at 8
/// bits also over the images' maxima: large values say most about an image, and squared error clips too many
/// of them (measured on ResNet-20).
double activation_scale(const ActivationSample& sample, const CodeRange& range, Clipping clipping,
                        Clipping* chosen = nullptr);
double activation_scale(const at::Tensor& values, const CodeRange& range, Clipping clipping);

/// Index of a width in host::kWidths.
int width_index(int bits);

/// All start scales of a network, computed once: a policy change is a look-up.
struct ClippingTable {
  Clipping clipping = Clipping::mixed;
  template <typename T>
  using PerWidth = std::array<T, std::size(host::kWidths)>;
  std::vector<PerWidth<at::Tensor>> weights;  ///< [weight layer][width], per filter
  std::vector<PerWidth<double>> activations;  ///< [tensor][width]; 0 where there was no sample
  std::vector<PerWidth<Clipping>> weight_choices, activation_choices;  ///< what `mixed` took
};

/// What a table is made from.
struct ClippingSamples {
  std::vector<WeightSample> weights;          ///< per weight layer
  std::vector<ActivationSample> activations;  ///< per tensor
};
ClippingTable make_clipping_table(const ClippingSamples& samples, Clipping clipping);

}  // namespace bitloop::quant
