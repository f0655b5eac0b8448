#include "agent/run/summary.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/comparison/statistics.h"
#include "agent/evaluation/statistics.h"
#include "host/measurement/measure.h"

namespace bitloop::agent {
namespace {

using nlohmann::ordered_json;

ordered_json line_json(const Finalist& f, const Stage& stage) {
  const search::Problem& problem = stage.problem;
  const Interval interval = accuracy_interval(f.test.accuracy, f.test.images);
  const search::Costs& costs = f.searched.costs;
  return {{"line", f.line},
          {"policy", f.policy.key()},
          {"hardware", stage.laboratory.devices(f.hardware).hardware().name},
          {"cycles", static_cast<host::Cycles>(costs.cycles())},
          {"cost_ratio", costs.cycles() / problem.costs.reference().cycles()},
          {"joules", costs[search::Measure::energy]},
          {"weight_bytes", costs[search::Measure::bytes]},
          {"within_budget", problem.objective.fits(costs)},
          {"search_accuracy", f.searched.accuracy()},
          {"reward_accuracy", f.retrained.accuracy()},
          {"test_accuracy", f.test.accuracy},
          {"test_low", interval.low},
          {"test_high", interval.high},
          {"test_loss", f.test.loss}};
}

ordered_json layers_json(const host::Policy& policy) {
  ordered_json layers = ordered_json::array();
  for (const host::LayerBits& layer : policy.layers) {
    layers.push_back(
        {{"name", layer.name}, {"weight_bits", layer.weight_bits}, {"input_bits", layer.input_bits}});
  }
  return layers;
}

ordered_json segments_json(Laboratory& laboratory, const Finalist& f) {
  const auto measured = host::measure_network(laboratory.meter(f.hardware), laboratory.network(), f.policy);
  ordered_json segments = ordered_json::array();
  for (std::size_t i = 0; i < measured.segments.size(); ++i)
    segments.push_back({{"name", measured.segments[i].name}, {"cycles", measured.counters.at(i)[0]}});
  return segments;
}

}  // namespace

ordered_json search_summary(const Stage& stage, const search::Budget& budget, double float_accuracy,
                            const std::vector<Finalist>& finalists, std::size_t best) {
  const SearchConfig& config = stage.config;
  const search::Objective& objective = stage.problem.objective;
  const host::HardwareInfo& hardware = stage.laboratory.devices(finalists[best].hardware).hardware();
  const search::Costs& reference = stage.problem.costs.reference();
  ordered_json json{{"network", stage.laboratory.network().name},
                    {"data", stage.laboratory.opened().data.name},
                    {"method", config.method},
                    {"budget", search::is_plain_ratio(budget.text) ? ordered_json::parse(budget.text)
                                                                   : ordered_json(budget.share(reference))},
                    {"limit",
                     {{"text", budget.text},
                      {"measure", search::name_of(budget.measure)},
                      {"value", budget.limit},
                      {"objective", config.objective},
                      {"accuracy_floor", objective.floor}}},
                    {"rules", config.space.rules},
                    {"group", config.space.group},
                    {"seed", config.seed},
                    {"hardware", hardware.name},
                    {"fingerprint", hardware.fingerprint},
                    {"memory", hardware.memory},
                    {"clock_hz", hardware.clock_hz},
                    {"cycles_w8a8", static_cast<host::Cycles>(reference.cycles())},  // where it is cheapest
                    {"search_images", stage.problem.origin.images()},
                    {"test_images", stage.laboratory.opened().data.test.size()},
                    {"float_test_accuracy", float_accuracy},
                    {"best", line_json(finalists[best], stage)},
                    {"lines", ordered_json::array()},
                    {"more_accurate_within_budget", ordered_json::array()}};
  json["best"]["layers"] = layers_json(finalists[best].policy);
  json["best"]["segments"] = segments_json(stage.laboratory, finalists[best]);
  for (std::size_t i = 0; i < finalists.size(); ++i) {
    if (i == best) continue;
    const Finalist& f = finalists[i];
    json["lines"].push_back(line_json(f, stage));
    auto& better = json["more_accurate_within_budget"];
    if (json["lines"].back()["within_budget"] && f.line != finalists[best].line &&
        is_clearly_better(f.test.accuracy, finalists[best].test.accuracy, f.test.images) &&
        std::find(better.begin(), better.end(), f.line) == better.end())
      better.push_back(f.line);
  }
  return json;
}

void add_fronts(ordered_json& summary, const Stage& stage, const std::vector<Line>& lines,
                const std::vector<Finalist>& finalists, const std::vector<std::size_t>& front) {
  const search::Measure measure = stage.problem.objective.measure;
  summary["front"] = ordered_json::array();
  for (const std::size_t i : front) summary["front"].push_back(line_json(finalists[i], stage));
  ordered_json& fronts = summary["fronts"] = ordered_json::array();
  for (const Line& line : lines) {
    if (line.steps.empty()) continue;  // left out
    ordered_json json{{"line", line.name}};
    if (line.hardware) json["hardware"] = stage.laboratory.devices(*line.hardware).hardware().name;
    std::vector<search::Point> shares;
    for (const search::Step& step : line.steps) {
      if (step.answer.query.fidelity != search::Fidelity::full) continue;
      shares.push_back(
          {step.answer.costs[measure] / stage.problem.costs.reference()[measure], step.answer.accuracy()});
    }
    json["hypervolume"] = search::hypervolume(search::front_of(std::move(shares)), 1);
    json["points"] = ordered_json::array();
    json["beats"] = ordered_json::array();
    for (const Finalist& f : finalists) {
      if (f.line != line.name) continue;
      json["points"].push_back(line_json(f, stage));
      for (std::size_t i = 0; i < front.size(); ++i) {
        const Finalist& point = finalists[front[i]];
        if (f.searched.costs[measure] <= point.searched.costs[measure] &&
            is_clearly_better(f.test.accuracy, point.test.accuracy, point.test.images))
          json["beats"].push_back({{"point", i + 1}, {"by", f.policy.key()}});
      }
    }
    fronts.push_back(json);
  }
}

}  // namespace bitloop::agent
