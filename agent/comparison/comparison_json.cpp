#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "agent/comparison/comparison.h"

namespace bitloop::search {
namespace {

using nlohmann::ordered_json;

/// NaN and infinite have no form in JSON: null.
ordered_json number(double value) {
  return std::isfinite(value) ? ordered_json(value) : ordered_json(nullptr);
}

ordered_json to_json(const Mean& mean) {
  return {{"mean", number(mean.mean)}, {"low", number(mean.low)}, {"high", number(mean.high)}};
}

using Trials = std::vector<TrialResult>;  ///< of one budget and method, per seed

template <typename Value>
std::vector<double> values_of(const Trials& trials, Value value) {
  std::vector<double> values;
  for (const TrialResult& trial : trials) values.push_back(value(trial));
  return values;
}

std::vector<double> accuracies(const Trials& trials, std::size_t mark) {
  return values_of(trials, [&](const TrialResult& t) { return t.marks[mark].test_accuracy; });
}

ordered_json marks_json(const ComparisonSpec& spec, const Trials& trials) {
  ordered_json marks = ordered_json::array();
  for (std::size_t i = 0; i < spec.marks.size(); ++i) {
    marks.push_back(
        {{"evaluations", spec.marks[i]},
         {"found",
          static_cast<int>(std::ranges::count_if(trials, [&](const auto& t) { return t.marks[i].found; }))},
         {"accuracy", to_json(mean_of(accuracies(trials, i)))},
         {"reward_accuracy",
          to_json(mean_of(values_of(trials, [&](const auto& t) { return t.marks[i].reward_accuracy; })))}});
  }
  return marks;
}

ordered_json method_json(const ComparisonSpec& spec, const std::string& name, const Trials& trials) {
  ordered_json json{{"method", name}, {"marks", marks_json(spec, trials)}};
  json["hypervolume"] = to_json(mean_of(values_of(trials, [](const auto& t) { return t.hypervolume; })));
  json["overhead_seconds"] = mean_of(values_of(trials, [](const auto& t) { return t.overhead; })).mean;
  if (spec.target > 0) {
    ordered_json reached = ordered_json::array();
    for (const TrialResult& trial : trials) reached.push_back(number(trial.evaluations_to_target));
    json["evaluations_to_target"] = reached;
  }
  json["policies"] = ordered_json::array();
  for (const TrialResult& trial : trials) json["policies"].push_back(trial.marks.back().policy);
  return json;
}

/// Per mark, every other method against the one of the specification, p by Holm over them.
ordered_json tests_json(const ComparisonSpec& spec, const std::vector<Trials>& methods) {
  const auto base =
      static_cast<std::size_t>(std::ranges::find(spec.methods, spec.against) - spec.methods.begin());
  ordered_json tests = ordered_json::array();
  for (std::size_t mark = 0; mark < spec.marks.size(); ++mark) {
    std::vector<std::vector<double>> differences;
    std::vector<double> p;
    for (std::size_t m = 0; m < methods.size(); ++m) {
      if (m == base) continue;
      differences.push_back(accuracies(methods[base], mark));
      const auto others = accuracies(methods[m], mark);
      for (std::size_t s = 0; s < others.size(); ++s) differences.back()[s] -= others[s];
      p.push_back(paired_p(differences.back()));
    }
    const std::vector<double> corrected = holm(p);
    for (std::size_t m = 0, i = 0; m < methods.size(); ++m) {
      if (m == base) continue;
      tests.push_back({{"evaluations", spec.marks[mark]},
                       {"method", spec.against},
                       {"minus", spec.methods[m]},
                       {"difference", to_json(mean_of(differences[i]))},
                       {"p_holm", number(corrected[i])}});
      ++i;
    }
  }
  return tests;
}

}  // namespace

ordered_json to_json(const Comparison& comparison) {
  const ComparisonSpec& spec = comparison.spec;
  ordered_json json{{"task", comparison.task}, {"seeds", spec.seeds}, {"evaluations", spec.marks.back()}};
  json["methods"] = ordered_json::array();
  for (std::size_t m = 0; m < spec.methods.size(); ++m) {
    // Over budgets the mean of each seed: budgets are no independent repetitions.
    std::vector<double> test(static_cast<std::size_t>(spec.seeds)), reward(test.size());
    for (const auto& budget : comparison.trials) {
      for (std::size_t s = 0; s < test.size(); ++s) {
        test[s] += budget[m][s].marks.back().test_accuracy / static_cast<double>(spec.budgets.size());
        reward[s] += budget[m][s].marks.back().reward_accuracy / static_cast<double>(spec.budgets.size());
      }
    }
    json["methods"].push_back({{"method", spec.methods[m]},
                               {"accuracy", to_json(mean_of(test))},
                               {"reward_accuracy", to_json(mean_of(reward))}});
  }
  json["budgets"] = ordered_json::array();
  for (std::size_t b = 0; b < spec.budgets.size(); ++b) {
    const Budget& budget = spec.budgets[b];
    ordered_json entry{
        {"budget", budget.text}, {"measure", name_of(budget.measure)}, {"limit", budget.limit}};
    entry["methods"] = ordered_json::array();
    for (std::size_t m = 0; m < spec.methods.size(); ++m)
      entry["methods"].push_back(method_json(spec, spec.methods[m], comparison.trials[b][m]));
    if (!spec.against.empty()) entry["tests"] = tests_json(spec, comparison.trials[b]);
    json["budgets"].push_back(std::move(entry));
  }
  return json;
}

std::string curves_csv(const Comparison& comparison) {
  std::string csv = "budget,method,seed,kind,x,y\n";
  const ComparisonSpec& spec = comparison.spec;
  for (std::size_t b = 0; b < spec.budgets.size(); ++b) {
    for (std::size_t m = 0; m < spec.methods.size(); ++m) {
      for (std::size_t s = 0; s < comparison.trials[b][m].size(); ++s) {
        const TrialResult& trial = comparison.trials[b][m][s];
        const auto rows = [&](const char* kind, const std::vector<Point>& points) {
          for (const Point& point : points)
            csv += fmt::format("{},{},{},{},{},{}\n", spec.budgets[b].text, spec.methods[m],
                               spec.first_seed + s, kind, point.cost, point.accuracy);
        };
        rows("curve", trial.curve);
        rows("front", trial.front);
      }
    }
  }
  return csv;
}

}  // namespace bitloop::search
