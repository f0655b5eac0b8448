#pragma once

#include <functional>
#include <vector>

namespace bitloop::search {

/// What a choice adds as it was measured, and the variance of that by the images that it was measured on.
struct MeasuredEffect {
  double value = 0;
  double variance = 0;
};

/// Fewer bits add at least as much: pools neighbours that do not (Ayer et al. 1955). From the fewest bits on.
void pool_violators(std::vector<MeasuredEffect>& effects);
/// The same; none adds less than 0, and the highest choice 0.
void make_monotone(std::vector<double>& effects);

/// Effects of one kind and width draw towards their mean as far as chance explains how they differ: of the
/// distance of an effect of variance v remains t / (t + v), t the variance of the true ones (empirical Bayes:
/// Efron and Morris 1975), at which the weighted squares of all distances are as expected (Paule and Mandel
/// 1982), so that a few noisy effects do not hide how precise ones differ. The best of many noisy
/// measurements is too good to be true. Fewer than three stay.
void shrink(std::vector<std::reference_wrapper<MeasuredEffect>> effects);

/// Least rise of the loss that noise is reckoned for.
inline constexpr double kLeastRise = 0.02;
/// Variance of a rise of the loss above that of the highest policy, on the same `images`.
double rise_variance(double rise, int images);

}  // namespace bitloop::search
