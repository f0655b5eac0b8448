#include "agent/run/run_comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "agent/run/run_folder.h"
#include "host/base/error.h"

namespace bitloop::agent {
namespace {

using nlohmann::ordered_json;
using Policy = RunResult::Policy;

double clock_of(const RunResult& run) { return run.summary.at("clock_hz").get<double>(); }

ordered_json policy_json(const RunResult& run, const Policy& policy) {
  return {{"run", run.name},
          {"line", policy.line},
          {"policy", policy.key},
          {"cycles", static_cast<std::uint64_t>(policy.cycles)},
          {"milliseconds", 1e3 * policy.cycles / clock_of(run)},
          {"accuracy", policy.accuracy}};
}

ordered_json run_json(const RunResult& run) {
  const auto& summary = run.summary;
  ordered_json json{{"run", run.name}};
  for (const char* field : {"network", "data", "method", "hardware", "fingerprint", "memory"})
    json[field] = summary.at(field);
  json["budget"] = summary.at("limit").at("text");
  json["evaluated"] = run.evaluated.size();
  const auto& best = summary.at("best");
  json["best"] = {{"line", best.at("line")},
                  {"policy", best.at("policy")},
                  {"cycles", best.at("cycles")},
                  {"milliseconds", 1e3 * best.at("cycles").get<double>() / clock_of(run)},
                  {"cost_ratio", best.at("cost_ratio")},
                  {"test_accuracy", best.at("test_accuracy")},
                  {"test_low", best.at("test_low")},
                  {"test_high", best.at("test_high")}};
  return json;
}

Policy best_of(const RunResult& run) {
  const auto& best = run.summary.at("best");
  return {best.at("line"), best.at("policy"), best.at("cycles"), best.at("search_accuracy")};
}

/// 95 % half-width of the difference of two accuracies over so many images each, taken as independent: on the
/// same images the true interval is narrower.
double half_width(double a, double images_a, double b, double images_b) {
  return 1.96 * std::sqrt(a * (1 - a) / images_a + b * (1 - b) / images_b);
}

ordered_json pair_json(const RunResult& run, const RunResult& other) {
  const Policy best = best_of(run);
  const Policy* most_accurate = nullptr;
  const Policy* cheapest = nullptr;
  for (const Policy& policy : other.evaluated) {
    if (policy.cycles <= best.cycles &&
        (most_accurate == nullptr || policy.accuracy > most_accurate->accuracy))
      most_accurate = &policy;
    if (policy.accuracy >= best.accuracy && (cheapest == nullptr || policy.cycles < cheapest->cycles))
      cheapest = &policy;
  }
  ordered_json json{{"run", run.name}, {"minus", other.name}, {"best", policy_json(run, best)}};
  json["at_equal_cycles"] = nullptr;
  json["at_equal_accuracy"] = nullptr;
  if (most_accurate != nullptr) {
    const double difference = best.accuracy - most_accurate->accuracy;
    const double half = half_width(best.accuracy, run.summary.at("search_images"), most_accurate->accuracy,
                                   other.summary.at("search_images"));
    json["at_equal_cycles"] = {{"other", policy_json(other, *most_accurate)},
                               {"difference", difference},
                               {"low", difference - half},
                               {"high", difference + half}};
  }
  if (cheapest != nullptr) {
    json["at_equal_accuracy"] = {{"other", policy_json(other, *cheapest)},
                                 {"ratio", best.cycles / cheapest->cycles}};
  }
  return json;
}

struct Placed {
  const RunResult* run;
  const Policy* policy;
};

std::vector<Placed> front_of(const std::vector<RunResult>& runs) {
  std::vector<Placed> all;
  for (const RunResult& run : runs)
    for (const Policy& policy : run.evaluated) all.push_back({&run, &policy});
  std::ranges::stable_sort(all, [](const Placed& a, const Placed& b) {
    return std::pair(a.policy->cycles, -a.policy->accuracy) <
           std::pair(b.policy->cycles, -b.policy->accuracy);
  });
  std::vector<Placed> front;
  for (const Placed& placed : all)
    if (front.empty() || placed.policy->accuracy > front.back().policy->accuracy) front.push_back(placed);
  return front;
}

void require_comparable(const RunResult& a, const RunResult& b) {
  for (const char* field : {"network", "data"}) {
    if (a.summary.at(field) == b.summary.at(field)) continue;
    throw InputError(fmt::format("{} is of the {} {} and {} of {}: their accuracies cannot be compared",
                                 a.name, field, a.summary.at(field).get<std::string>(), b.name,
                                 b.summary.at(field).get<std::string>()));
  }
}

}  // namespace

RunResult load_result(const std::filesystem::path& folder) {
  const RunFolder run = open_finished_run(folder);
  RunResult result{.name = folder.string(), .summary = {}, .evaluated = {}};
  try {
    result.summary = ordered_json::parse(read_file(run.summary()));
    (void)run_json(result);
    (void)result.summary.at("search_images").get<double>();
  } catch (const nlohmann::json::exception&) {
    throw InputError(fmt::format("{} is no summary of this version: search again", run.summary().string()));
  }
  const auto add = [&](const std::string& line, const std::filesystem::path& file) {
    for (const Episode& e : read_episodes(file))
      if (!e.remembered) result.evaluated.push_back({line, e.policy, e.costs.cycles(), e.accuracy});
  };
  add(result.summary.at("method"), run.episodes());
  std::vector<std::filesystem::path> lines;
  for (const auto& entry : std::filesystem::directory_iterator(run.line("x").parent_path()))
    if (entry.path().extension() == ".csv") lines.push_back(entry.path());
  std::ranges::sort(lines);
  for (const auto& file : lines) add(file.stem().string(), file);
  return result;
}

ordered_json compare_runs(const std::vector<RunResult>& runs) {
  for (const RunResult& run : runs) require_comparable(runs.front(), run);
  ordered_json json{
      {"runs", ordered_json::array()}, {"pairs", ordered_json::array()}, {"front", ordered_json::array()}};
  for (const RunResult& run : runs) json["runs"].push_back(run_json(run));
  for (const RunResult& run : runs)
    for (const RunResult& other : runs)
      if (&run != &other) json["pairs"].push_back(pair_json(run, other));
  for (const Placed& placed : front_of(runs))
    json["front"].push_back(policy_json(*placed.run, *placed.policy));
  return json;
}

}  // namespace bitloop::agent
