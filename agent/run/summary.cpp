#include "agent/run/summary.h"

#include <nlohmann/json.hpp>

#include "agent/evaluation/statistics.h"

namespace bitloop::agent {
namespace {

using nlohmann::ordered_json;

ordered_json line_json(const Finalist& f, BudgetProjection& projection) {
  const Interval interval = accuracy_interval(f.test.accuracy, f.test.images);
  const host::Cycles cycles = projection.cycles(f.policy);
  return {{"line", f.line},
          {"policy", f.policy.key()},
          {"cycles", cycles},
          {"cost_ratio", projection.cost_ratio(cycles)},
          {"within_budget", cycles <= projection.limit()},
          {"search_accuracy", f.searched.accuracy},
          {"reward_accuracy", f.reward.accuracy},
          {"test_accuracy", f.test.accuracy},
          {"test_low", interval.low},
          {"test_high", interval.high},
          {"test_loss", f.test.loss}};
}

}  // namespace

ordered_json search_summary(const Stage& stage, BudgetProjection& projection, CycleMeter& meter,
                            double float_accuracy, const Finalist& best, const std::vector<Finalist>& lines) {
  const host::HardwareInfo& hardware = meter.hardware();
  ordered_json json{{"network", stage.network.name},
                    {"data", stage.data.name},
                    {"method", stage.config.method},
                    {"budget", stage.config.budget},
                    {"seed", stage.config.seed},
                    {"hardware", hardware.name},
                    {"fingerprint", hardware.fingerprint},
                    {"memory", hardware.memory},
                    {"clock_hz", hardware.clock_hz},
                    {"cycles_w8a8", projection.reference()},
                    {"test_images", stage.data.test.size()},
                    {"float_test_accuracy", float_accuracy},
                    {"best", line_json(best, projection)},
                    {"lines", ordered_json::array()},
                    {"more_accurate_within_budget", ordered_json::array()}};
  json["best"]["layers"] = ordered_json::array();
  const auto segments = meter.segments(best.policy);
  for (const host::LayerBits& layer : best.policy.layers) {
    json["best"]["layers"].push_back(
        {{"name", layer.name}, {"weight_bits", layer.weight_bits}, {"input_bits", layer.input_bits}});
  }
  json["best"]["segments"] = ordered_json::array();
  for (const SegmentCycles& s : segments) {
    json["best"]["segments"].push_back({{"name", s.name}, {"cycles", s.cycles}});
  }
  for (const Finalist& line : lines) {
    json["lines"].push_back(line_json(line, projection));
    if (line.line != "random" && json["lines"].back()["within_budget"] &&
        is_clearly_better(line.test.accuracy, best.test.accuracy, best.test.images)) {
      json["more_accurate_within_budget"].push_back(line.line);
    }
  }
  return json;
}

}  // namespace bitloop::agent
