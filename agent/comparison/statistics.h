#pragma once

#include <span>
#include <vector>

namespace bitloop::search {

/// A mean and its 95 % confidence interval by Student's t; of fewer than three values there is none, and low
/// and high are NaN.
struct Mean {
  double mean = 0;
  double low = 0;
  double high = 0;
};
Mean mean_of(std::span<const double> values);

/// Two-sided p of the paired t-test that differences have mean 0. Of fewer than three, or where one is
/// NaN, there is none: 1.
double paired_p(std::span<const double> differences);

/// Holm's (1979) step-down correction of several tests' p: adjusted values, in their order.
std::vector<double> holm(std::vector<double> p);

/// A point of accuracy against cost.
struct Point {
  double cost = 0;
  double accuracy = 0;
  bool operator==(const Point&) const = default;
};
/// Of all points those that no other one beats (cheaper and no less accurate, or as cheap and more accurate),
/// by rising cost.
std::vector<Point> front_of(std::vector<Point> points);
/// Area that a front dominates: costs up to `cost`, accuracies from 0.
double hypervolume(std::span<const Point> front, double cost);

}  // namespace bitloop::search
