#include "agent/run/hardware_front.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "agent/codesign/area_model.h"
#include "agent/console/table.h"

namespace bitloop::agent {
namespace {

/// Less is better in all.
std::array<double, 4> values_of(const HardwarePoint& point) {
  return {-point.accuracy, point.costs.cycles(), point.costs[search::Measure::energy], point.share};
}

bool beats(const HardwarePoint& one, const HardwarePoint& other) {
  const auto a = values_of(one), b = values_of(other);
  return a != b && std::ranges::equal(a, b, [](double x, double y) { return x <= y; });
}

/// Accuracy of each distinct policy that was fully evaluated.
std::map<search::Assignment, double> evaluated_of(const std::vector<Line>& lines) {
  std::map<search::Assignment, double> accuracies;
  for (const Line& line : lines) {
    for (const search::Step& step : line.steps)
      if (step.answer.query.fidelity == search::Fidelity::full)
        accuracies.emplace(step.answer.query.assignment, step.answer.accuracy());
  }
  return accuracies;
}

}  // namespace

std::vector<HardwarePoint> hardware_front(const Stage& stage, const std::vector<Line>& lines) {
  Laboratory& laboratory = stage.laboratory;
  std::vector<HardwarePoint> points;
  const auto policies = evaluated_of(lines);
  for (std::size_t i = 0; i < laboratory.hardware_count(); ++i) {
    const auto area = codesign::AreaModel::committed().total(laboratory.devices(i).hardware());
    const double share = stage.config.chip.empty()
                             ? area.lut
                             : codesign::largest_share(area, codesign::chip_named(stage.config.chip)).share;
    for (const auto& [assignment, accuracy] : policies) {
      const search::Costs costs = laboratory.costs_on(i).costs(assignment);
      if (!stage.problem.objective.fits(costs)) continue;
      points.push_back({laboratory.policies().policy(assignment).key(), i, accuracy, costs, area, share});
    }
  }
  // In this order nothing is beaten by what comes behind it.
  std::ranges::stable_sort(points, {}, values_of);
  std::vector<HardwarePoint> front;
  for (HardwarePoint& point : points)
    if (std::ranges::none_of(front, [&](const HardwarePoint& other) { return beats(other, point); }))
      front.push_back(std::move(point));
  std::ranges::stable_sort(front, {}, [](const HardwarePoint& point) { return point.costs.cycles(); });
  return front;
}

std::string to_csv(const std::vector<HardwarePoint>& points, const Stage& stage) {
  std::vector<std::string> columns{"accuracy", "cycles", "milliseconds", "joules"};
  for (const codesign::Resource& resource : codesign::kResources) columns.emplace_back(resource.name);
  columns.insert(columns.end(), {"share", "hardware", "policy"});
  console::Table table(columns);
  for (const HardwarePoint& point : points) {
    const host::HardwareInfo& hardware = stage.laboratory.devices(point.hardware).hardware();
    std::vector<std::string> cells{fmt::format("{:.4f}", point.accuracy),
                                   fmt::format("{:.0f}", point.costs.cycles()),
                                   fmt::format("{:.4f}", 1e3 * point.costs.cycles() / hardware.clock_hz),
                                   fmt::format("{:.4g}", point.costs[search::Measure::energy])};
    for (const codesign::Resource& resource : codesign::kResources)
      cells.push_back(fmt::format("{:g}", point.area.*resource.amount));
    cells.push_back(stage.config.chip.empty() ? "" : fmt::format("{:.3f}", point.share));
    cells.insert(cells.end(), {hardware.name, point.policy});
    table.add_row(cells);
  }
  return table.csv();
}

}  // namespace bitloop::agent
