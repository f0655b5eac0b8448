#include "agent/comparison/statistics.h"

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <limits>
#include <numeric>

namespace bitloop::search {
namespace {

constexpr std::size_t kLeastValues = 3;  ///< of two the interval says nothing: its t is 12.7

double average(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double standard_error(std::span<const double> values) {
  const double mean = average(values);
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  const auto n = static_cast<double>(values.size());
  return std::sqrt(squares / (n - 1) / n);
}

boost::math::students_t distribution(std::size_t values) {
  return boost::math::students_t(static_cast<double>(values) - 1);
}

}  // namespace

Mean mean_of(std::span<const double> values) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  if (values.empty()) return {kNone, kNone, kNone};
  const double mean = average(values);
  if (values.size() < kLeastValues) return {mean, kNone, kNone};
  const double half = boost::math::quantile(distribution(values.size()), 0.975) * standard_error(values);
  return {mean, mean - half, mean + half};
}

double paired_p(std::span<const double> differences) {
  if (differences.size() < kLeastValues) return 1;
  const double error = standard_error(differences);
  const double mean = average(differences);
  if (std::isnan(mean)) return 1;
  if (error == 0) return mean == 0 ? 1 : 0;
  return 2 *
         boost::math::cdf(boost::math::complement(distribution(differences.size()), std::abs(mean / error)));
}

std::vector<double> holm(std::vector<double> p) {
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return p[i]; });
  double largest = 0;
  for (std::size_t rank = 0; rank < order.size(); ++rank) {
    double& value = p[order[rank]];
    largest = std::max(largest, std::min(1.0, value * static_cast<double>(order.size() - rank)));
    value = largest;
  }
  return p;
}

std::vector<Point> front_of(std::vector<Point> points) {
  std::ranges::sort(points, [](const Point& a, const Point& b) {
    return a.cost != b.cost ? a.cost < b.cost : a.accuracy > b.accuracy;
  });
  std::vector<Point> front;
  for (const Point& point : points)
    if (front.empty() || point.accuracy > front.back().accuracy) front.push_back(point);
  return front;
}

double hypervolume(std::span<const Point> front, double cost) {
  double area = 0;
  for (std::size_t i = 0; i < front.size(); ++i) {
    const double end = i + 1 < front.size() ? std::min(front[i + 1].cost, cost) : cost;
    area += std::max(0.0, end - front[i].cost) * front[i].accuracy;
  }
  return area;
}

}  // namespace bitloop::search
