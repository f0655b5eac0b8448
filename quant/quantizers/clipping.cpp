#include "quant/quantizers/clipping.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "host/base/error.h"
#include "quant/quantizers/analytic_clipping.h"
#include "quant/quantizers/histogram_clipping.h"
#include "quant/quantizers/level_grid.h"
#include "quant/tensor/threads.h"

namespace bitloop::quant {
namespace {

constexpr std::string_view kNames[] = {"max",        "mse",   "aciq",      "kl",
                                       "percentile", "mixed", "equalized", "stated"};
constexpr Clipping kMixedFrom[] = {Clipping::max, Clipping::mse, Clipping::aciq, Clipping::kl,
                                   Clipping::percentile};
constexpr double kSmallestScale = 1e-8;

/// Scale per row that clips nothing.
at::Tensor largest_scales(const at::Tensor& values, const LevelGrid& grid) {
  const at::Tensor up = values.amax(1).div_(grid.end());
  const at::Tensor scale =
      grid.is_signed() ? at::maximum(up, values.amin(1).div_(grid.low / grid.high * grid.end())) : up;
  return scale.clamp_min(kSmallestScale);
}

/// Scale per row of least squared error: a geometric scan, then a finer one around each row's best.
at::Tensor scanned_scales(const at::Tensor& values, const LevelGrid& grid) {
  constexpr int kCoarse = 40, kFine = 12;
  constexpr double kSmallestShare = 0.03;  // of the scale at which the largest value is the last level
  const double step = std::pow(kSmallestShare, 1.0 / (kCoarse - 1));
  at::Tensor best = largest_scales(values, grid);
  at::Tensor least = squared_error(values, best, grid);
  const auto attempt = [&](const at::Tensor& scale) {
    const at::Tensor error = squared_error(values, scale, grid);
    best = at::where(error < least, scale, best);
    least = at::minimum(error, least);
  };
  const at::Tensor top = best * (grid.end() / grid.high);
  for (int i = 0; i < kCoarse; ++i) attempt(top * std::pow(step, i));
  const at::Tensor middle = best;
  for (int i = -kFine / 2; i <= kFine / 2; ++i)
    if (i != 0) attempt(middle * std::pow(step, static_cast<double>(i) / (kFine / 2 + 1)));
  return best;
}

/// From a threshold found over all rows together, each relative to its root mean square: a filter alone has
/// too few values for a histogram, and filters differ in size rather than in shape.
at::Tensor pooled_scales(const at::Tensor& values, const LevelGrid& grid, Clipping clipping) {
  const at::Tensor magnitudes = grid.is_signed() ? values.abs() : values.clamp_min(0);
  const at::Tensor size = magnitudes.square().mean(1).sqrt_().clamp_min_(kSmallestScale);
  const at::Tensor relative = magnitudes / size.unsqueeze(1);
  const double threshold = clipping == Clipping::kl
                               ? divergence_threshold(relative, grid.magnitudes())
                               : percentile_threshold(relative, grid.magnitudes() > 16 ? 0.9999 : 0.999);
  return size * (threshold / grid.end());
}

at::Tensor row_scales(const at::Tensor& values, const LevelGrid& grid, Clipping clipping) {
  const at::Tensor largest = largest_scales(values, grid);
  switch (clipping) {
    case Clipping::max:
      return largest;
    case Clipping::mse:
      return scanned_scales(values, grid);
    case Clipping::aciq: {
      const at::Tensor scale = analytic_scales(values, grid);
      return at::minimum(scale.clamp_min(kSmallestScale), largest);
    }
    default: {
      // A threshold of 0 (nearly all values are) would clip everything.
      const at::Tensor scale = pooled_scales(values, grid, clipping);
      return at::where(scale > kSmallestScale, at::minimum(scale, largest), largest);
    }
  }
}

/// Scale per filter at which all weights of a layer lie on levels, as those of a quantized file do: what it
/// states, else the largest one. Undefined where there is none.
at::Tensor grid_scales(const at::Tensor& weights, const at::Tensor& stated, const LevelGrid& grid) {
  constexpr std::int64_t kFewest = 3;  // weights of a filter: one or two lie on levels by chance
  constexpr std::int64_t kSample = 16;
  constexpr double kNear = 1e-4;  // of the scale: floats round products with it
  const auto lie_on_levels = [&](const at::Tensor& values, const at::Tensor& scale) {
    return rounded(values, scale, grid).sub_(values).abs_().amax(1).le(scale * kNear);
  };
  if (stated.defined() && lie_on_levels(weights, stated).all().item<bool>()) return stated;
  if (weights.size(1) < kFewest) return {};
  const at::Tensor sample =
      weights.slice(1, 0, weights.size(1), std::max<std::int64_t>(1, weights.size(1) / kSample));
  const at::Tensor largest = weights.abs().amax(1);
  at::Tensor found = at::zeros_like(largest);
  for (double level = grid.spacing == 2 ? 1 : grid.spacing; level <= grid.high; level += grid.spacing) {
    const at::Tensor scale = at::where(largest > 0, largest / level, kSmallestScale);
    const at::Tensor possible = lie_on_levels(sample, scale).logical_and_(found.eq(0));
    if (!possible.any().item<bool>()) continue;
    found = at::where(possible.logical_and(lie_on_levels(weights, scale)), scale, found);
  }
  return found.gt(0).all().item<bool>() ? found : at::Tensor();
}

/// The step that limits state for codes of the range: one that needs more codes than half as many bits have.
/// None where they state none, or several.
std::optional<double> stated_step(const std::vector<host::Limits>& stated, const CodeRange& range) {
  const double codes = range.high - range.low + 1;
  std::optional<double> step;
  for (const host::Limits& limits : stated) {
    if (!fits_codes(limits, range)) continue;
    const double used = (limits.high - limits.low) / limits.step + 1;
    if (used * used <= codes) continue;
    if (step && *step != limits.step) return {};
    step = limits.step;
  }
  return step;
}

/// The scale at which the widest limits are the range's ends; none where they have none.
std::optional<double> stated_ends(const std::vector<host::Limits>& stated, const CodeRange& range) {
  double scale = 0;
  for (const host::Limits& limits : stated) {
    if (range.high > 0) scale = std::max(scale, limits.high / range.high);
    if (range.low < 0) scale = std::max(scale, limits.low / range.low);
  }
  return scale > kSmallestScale && std::isfinite(scale) ? std::optional(scale) : std::nullopt;
}

/// [filter, patch]: results less their mean, which no quantizer need keep: a bias or a batch norm restores
/// it.
at::Tensor centred_results(const at::Tensor& weights, const at::Tensor& patches) {
  const auto of_groups = [&] {
    const at::Tensor by_group = weights.view({patches.size(0), -1, patches.size(2)}).transpose(1, 2);
    return at::bmm(patches, by_group).transpose(1, 2).flatten(0, 1);
  };
  const at::Tensor results = patches.dim() == 3 ? of_groups() : at::mm(weights, patches.t());
  return results - results.mean(1, /*keepdim=*/true);
}

/// Error of a layer's results on its patches.
class ResultError {
 public:
  explicit ResultError(const WeightSample& sample)
      : sample_(sample),
        exact_(centred_results(sample.values, sample.patches)),
        energy_(exact_.square().sum(1)) {}

  /// Per filter: squared, or, where a batch norm makes the deviations equal again, the share that does not
  /// correlate.
  [[nodiscard]] at::Tensor per_filter(const at::Tensor& quantized) const {
    const at::Tensor rough = centred_results(quantized, sample_.patches);
    if (!sample_.gain.defined()) return rough.sub_(exact_).square_().sum(1);
    const at::Tensor product = exact_.mul(rough).sum(1).square_();
    const at::Tensor both = rough.square_().sum(1).mul_(energy_);
    const at::Tensor kept = at::where(both > 0, product / both, at::zeros_like(both));
    return at::where(energy_ > 0, 1 - kept, at::zeros_like(kept));
  }

  [[nodiscard]] double sum(const at::Tensor& quantized) const {
    const at::Tensor errors = per_filter(quantized);
    const at::Tensor weighted = sample_.gain.defined() ? errors * sample_.gain.square() : errors;
    return weighted.sum(at::kDouble).item<double>();
  }

 private:
  const WeightSample& sample_;
  at::Tensor exact_;  ///< [filter, patch]
  at::Tensor energy_;
};

/// Scale per filter of least error of the results, near the one of least error of the weights. Inputs vary in
/// few directions, so how well a scale rounds in those differs much between neighbours.
at::Tensor result_scanned_scales(const WeightSample& sample, const LevelGrid& grid,
                                 const ResultError& error) {
  constexpr int kSteps = 24;        // each way
  constexpr double kLargest = 1.5;  // factor
  const at::Tensor middle = scanned_scales(sample.values, grid);
  at::Tensor best = middle;
  at::Tensor least = error.per_filter(rounded(sample.values, middle, grid));
  for (int i = -kSteps; i <= kSteps; ++i) {
    const at::Tensor scale = middle * std::pow(kLargest, static_cast<double>(i) / kSteps);
    const at::Tensor of_this = error.per_filter(rounded(sample.values, scale, grid));
    best = at::where(of_this < least, scale, best);
    least = at::minimum(of_this, least);
  }
  return best;
}

struct Choice {
  at::Tensor scales;
  Clipping clipping = Clipping::max;
};

/// `scales_of` a clipping, `error` of scales.
template <typename Scales, typename Error>
Choice least_error(Scales scales_of, Error error) {
  Choice best;
  double least = std::numeric_limits<double>::infinity();
  for (const Clipping clipping : kMixedFrom) {
    const at::Tensor scales = scales_of(clipping);
    const double of_this = error(scales);
    if (of_this < least || !best.scales.defined()) {
      least = of_this;
      best = {scales, clipping};
    }
  }
  return best;
}

/// By the error of the weights themselves.
Choice mixed_scales(const at::Tensor& weights, const LevelGrid& grid) {
  return least_error([&](Clipping each) { return row_scales(weights, grid, each); },
                     [&](const at::Tensor& scales) {
                       return squared_error(weights, scales, grid).sum(at::kDouble).item<double>();
                     });
}

/// `mse` or `mixed` by the error of the layer's results.
Choice result_scales(const WeightSample& sample, const LevelGrid& grid, Clipping clipping) {
  const ResultError error(sample);
  const auto scales_of = [&](Clipping each) {
    return each == Clipping::mse ? result_scanned_scales(sample, grid, error)
                                 : row_scales(sample.values, grid, each);
  };
  if (clipping == Clipping::mse) return {scales_of(clipping), clipping};
  return least_error(
      scales_of, [&](const at::Tensor& scales) { return error.sum(rounded(sample.values, scales, grid)); });
}

/// By any clipping but `stated`.
Choice found_scales(const WeightSample& sample, int bits, const LevelGrid& grid, Clipping clipping) {
  const at::Tensor& weights = sample.values;
  Choice choice{{}, clipping};
  if (bits == 1) {
    choice.scales = weights.abs().mean(1).clamp_min_(kSmallestScale);
    if (clipping == Clipping::mixed) choice.clipping = Clipping::mse;  // which it is
  } else if (clipping == Clipping::equalized) {
    choice.scales = at::zeros({weights.size(0)}, weights.options()).add_(largest_scales(weights, grid).max());
  } else if (!sample.patches.defined()) {
    choice = clipping == Clipping::mixed ? mixed_scales(weights, grid)
                                         : Choice{row_scales(weights, grid, clipping), clipping};
  } else if (clipping == Clipping::mixed || clipping == Clipping::mse) {
    choice = result_scales(sample, grid, clipping);
  } else {
    choice.scales = row_scales(weights, grid, clipping);
  }
  return choice;
}

}  // namespace

std::string_view name_of(Clipping clipping) { return kNames[static_cast<int>(clipping)]; }

Clipping clipping_of(std::string_view name) {
  const auto* found = std::ranges::find(kNames, name);
  if (found == std::end(kNames))
    throw InputError(fmt::format("no clipping is called {}: choose from {}", name, fmt::join(kNames, ", ")));
  return static_cast<Clipping>(found - std::begin(kNames));
}

std::vector<std::string> clipping_names() { return {std::begin(kNames), std::end(kNames)}; }

bool fits_codes(const host::Limits& limits, const CodeRange& range) {
  return limits.step > 0 && limits.low / limits.step > range.low - 0.5 &&
         limits.high / limits.step < range.high + 0.5;
}

at::Tensor weight_scales(const WeightSample& sample, int bits, Clipping clipping, Clipping* chosen) {
  const TorchThreads threads(1);  // sums would depend on their number
  const LevelGrid grid = weight_grid(bits);
  const bool takes_stated = clipping == Clipping::mixed || clipping == Clipping::stated;
  Choice choice{{}, Clipping::stated};
  if (takes_stated) choice.scales = grid_scales(sample.values, sample.stated, grid);
  if (!choice.scales.defined())
    choice = found_scales(sample, bits, grid, takes_stated ? Clipping::mixed : clipping);
  if (chosen != nullptr) *chosen = choice.clipping;
  return choice.scales;
}

at::Tensor weight_scales(const at::Tensor& weights, int bits, Clipping clipping) {
  return weight_scales(WeightSample{.values = weights, .patches = {}, .gain = {}}, bits, clipping);
}

double activation_scale(const ActivationSample& sample, const CodeRange& range, Clipping clipping,
                        Clipping* chosen) {
  const TorchThreads threads(1);
  const LevelGrid grid = activation_grid(range);
  const at::Tensor values = sample.values.reshape({1, -1});
  const bool takes_stated = clipping == Clipping::mixed || clipping == Clipping::stated;
  std::vector<host::Limits> limits = sample.stated;
  if (range.high - range.low < code_range(8, false).high - 1)
    limits.insert(limits.end(), sample.stated_narrow.begin(), sample.stated_narrow.end());
  std::optional<double> stated = takes_stated ? stated_step(limits, range) : std::nullopt;
  if (clipping == Clipping::stated && !stated) stated = stated_ends(limits, range);
  if (takes_stated) clipping = stated ? Clipping::stated : Clipping::mixed;
  if (chosen != nullptr) *chosen = clipping;
  if (stated) return *stated;
  const at::Tensor by_image = sample.values.dim() == 1 ? values : sample.values.flatten(1);
  const at::Tensor maxima = sample.image_maxima.defined()
                                ? sample.image_maxima.div(grid.high).clamp_min(kSmallestScale)
                                : largest_scales(by_image, grid);
  const double largest = maxima.max().item<double>();
  if (largest <= kSmallestScale) return 1;  // a dead tensor: any scale represents it
  if (clipping == Clipping::max) return largest;
  if (clipping == Clipping::equalized) return maxima.mean().item<double>();
  const auto scales_of = [&](Clipping each) {
    return each == Clipping::max ? at::full({1}, largest, values.options()) : row_scales(values, grid, each);
  };
  if (clipping != Clipping::mixed) return scales_of(clipping).item<double>();
  // 8 bits have levels to spare for the few values that no sample holds; fewer bits do not.
  const at::Tensor all = sample.image_maxima.defined() && grid.magnitudes() > 16
                             ? at::cat({values, sample.image_maxima.to(values.options()).view({1, -1})}, 1)
                             : values;
  // Fourth powers, because large values decide between classes; but of 4 levels too many would go to them.
  const bool few = grid.magnitudes() <= 4;
  const Choice choice = least_error(scales_of, [&](const at::Tensor& scale) {
    const at::Tensor squares = rounded(all, scale, grid).sub_(all).square_();
    return (few ? squares : squares.square()).sum(at::kDouble).item<double>();
  });
  if (chosen != nullptr) *chosen = choice.clipping;
  return choice.scales.item<double>();
}

double activation_scale(const at::Tensor& values, const CodeRange& range, Clipping clipping) {
  return activation_scale(ActivationSample{.values = values}, range, clipping);
}

int width_index(int bits) {
  return static_cast<int>(std::ranges::find(host::kWidths, bits) - std::begin(host::kWidths));
}

ClippingTable make_clipping_table(const ClippingSamples& samples, Clipping clipping) {
  constexpr std::size_t kEach = std::size(host::kWidths);
  const std::size_t weights = samples.weights.size(), tensors = samples.activations.size();
  ClippingTable table;
  table.clipping = clipping;
  table.weights.resize(weights);
  table.weight_choices.resize(weights);
  table.activations.resize(tensors);
  table.activation_choices.resize(tensors);
  const auto find = [&](std::size_t place, std::size_t w) {
    if (place < weights) {
      table.weights[place][w] =
          weight_scales(samples.weights[place], host::kWidths[w], clipping, &table.weight_choices[place][w]);
      return;
    }
    const ActivationSample& sample = samples.activations[place - weights];
    if (!sample.values.defined()) return;
    const CodeRange range = code_range(host::kWidths[w], sample.is_signed);
    table.activations[place - weights][w] =
        activation_scale(sample, range, clipping, &table.activation_choices[place - weights][w]);
  };
  in_parallel(static_cast<std::int64_t>((weights + tensors) * kEach), TorchThreads::all(),
              [&](std::int64_t i) {
                const at::NoGradGuard no_grad;
                find(static_cast<std::size_t>(i) / kEach, static_cast<std::size_t>(i) % kEach);
              });
  return table;
}

}  // namespace bitloop::quant
