#include "agent/tables/surrogate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "agent/space/random.h"
#include "agent/tables/space_json.h"
#include "host/base/error.h"

namespace bitloop::search {
namespace {

using nlohmann::json;

constexpr int kVersion = 1;

/// A normal number that belongs to an assignment, and to what `salt` says of it.
double normal_of(const Assignment& assignment, std::uint64_t salt) {
  std::uint64_t state = 0x9E3779B97F4A7C15 ^ (salt * 0xD1342543DE82EF95);
  for (const int choice : assignment) {
    state = (state ^ static_cast<std::uint64_t>(choice + 1)) * 0xBF58476D1CE4E5B9;
    state ^= state >> 31;
  }
  std::mt19937_64 random(state);
  return normal_number(random);
}

/// What the salts of an assignment's numbers say.
enum class Salt : std::uint64_t { rise, accuracy, loss_noise, accuracy_noise, folds };
double normal_of(const Assignment& assignment, Salt salt, std::size_t fold = 0) {
  return normal_of(assignment,
                   static_cast<std::uint64_t>(salt) + static_cast<std::uint64_t>(Salt::folds) * fold);
}

class SurrogateCosts : public CostModel {
 public:
  explicit SurrogateCosts(const Surrogate& surrogate) : surrogate_(surrogate) {}
  Costs costs(const Assignment& assignment) override {
    Costs costs;
    for (std::size_t m = 0; m < kMeasures; ++m)
      costs.values[m] = surrogate_.costs[m](surrogate_.space, assignment);
    return costs;
  }
  const LocalCosts& local(Measure measure) override {
    return surrogate_.costs[static_cast<std::size_t>(measure)];
  }
  [[nodiscard]] const Costs& reference() const override { return surrogate_.reference; }

 private:
  const Surrogate& surrogate_;
};

/// Of an assignment, over all images.
struct Truth {
  double loss = 0;
  double rise = 0;
  double accuracy = 0;
};

Truth truth_of(const Surrogate& s, const Assignment& assignment) {
  double sum = std::pow(s.highest, s.exponent);
  for (std::size_t d = 0; d < assignment.size(); ++d) sum += s.effects[d][assignment[d]];
  const double additive = std::pow(sum, 1 / s.exponent) - s.highest;
  const double rise = additive * std::exp(s.own_rise * normal_of(assignment, Salt::rise));
  const double loss = s.highest + rise;
  return {loss, rise, std::exp(-s.slope * loss) + s.own_accuracy * normal_of(assignment, Salt::accuracy)};
}

Fold fold_of(const Surrogate& s, const Truth& truth, const Assignment& assignment, std::size_t fold) {
  const auto images = static_cast<double>(s.fold_images);
  // What a fold's images add: a number of the fold alone.
  const double shift = s.fold_shift * normal_of({}, Salt::folds, fold);
  const double noise =
      std::sqrt(s.loss_noise * truth.rise / images) * normal_of(assignment, Salt::loss_noise, fold);
  const double loss = std::max(0.0, truth.loss + shift + noise);
  const double follows = truth.accuracy * std::exp(-s.slope * (shift + noise));
  const double coin = s.accuracy_noise * truth.accuracy * (1 - truth.accuracy) / images;
  const double accuracy =
      follows + std::sqrt(std::max(0.0, coin)) * normal_of(assignment, Salt::accuracy_noise, fold);
  return {s.fold_images, static_cast<int>(std::lround(std::clamp(accuracy, 0.0, 1.0) * images)),
          loss * images};
}

class SurrogateEvaluator : public Evaluator {
 public:
  SurrogateEvaluator(const Surrogate& surrogate, std::uint64_t seed)
      : surrogate_(surrogate), order_(shuffled_folds(surrogate.folds, seed)) {}

  std::vector<Answer> evaluate(std::span<const Query> queries) override {
    std::vector<Answer> answers;
    for (const Query& query : queries) answers.push_back(answer(query));
    return answers;
  }
  [[nodiscard]] Prices prices() const override {
    const int full = surrogate_.full_folds * surrogate_.fold_images;
    const double passes = surrogate_.statistics_images + full;
    const double base = surrogate_.statistics_images / passes;
    return {.full = 1,
            .check_base = base,
            .check_per_image = 1 / passes,
            .check_images = surrogate_.folds * surrogate_.fold_images - full,
            .probe_base = base,
            .probe_per_image = 1 / passes,
            .probe_images = full};
  }

 private:
  [[nodiscard]] Answer answer(const Query& query) const {
    Answer answer{.query = query, .price = prices().of(query)};
    for (std::size_t m = 0; m < kMeasures; ++m)
      answer.costs.values[m] = surrogate_.costs[m](surrogate_.space, query.assignment);
    const Truth truth = truth_of(surrogate_, query.assignment);
    const int folds = query.fidelity == Fidelity::full
                          ? surrogate_.full_folds
                          : (query.images + surrogate_.fold_images - 1) / surrogate_.fold_images;
    const auto first = order_.begin() + (query.fidelity == Fidelity::check ? surrogate_.full_folds : 0);
    for (auto fold = first; fold != order_.end() && fold != first + folds; ++fold)
      answer.folds.push_back(fold_of(surrogate_, truth, query.assignment, *fold));
    return answer;
  }

  const Surrogate& surrogate_;
  std::vector<std::size_t> order_;
};

class SurrogateTask : public Task {
 public:
  explicit SurrogateTask(Surrogate surrogate) : surrogate_(std::move(surrogate)), costs_(surrogate_) {}
  [[nodiscard]] const std::string& name() const override { return surrogate_.name; }
  [[nodiscard]] const Space& space() const override { return surrogate_.space; }
  [[nodiscard]] CostModel& costs() override { return costs_; }
  std::unique_ptr<Evaluator> evaluator(std::uint64_t seed) override {
    return std::make_unique<SurrogateEvaluator>(surrogate_, seed);
  }
  double test_accuracy(const Assignment& assignment) override {
    return truth_of(surrogate_, assignment).accuracy;
  }

 private:
  Surrogate surrogate_;
  SurrogateCosts costs_;
};

/// {"constant": 56, "terms": [[[0, 1], [values]], ...]}
LocalCosts costs_from(const json& file, const Space& space) {
  LocalCosts costs{.constant = file.at("constant"), .exact = true};
  for (const json& t : file.at("terms")) {
    CostTerm term{t.at(0), t.at(1)};
    std::size_t count = 1;
    for (const int decision : term.scope) {
      if (decision < 0 || decision >= space.size())
        throw InputError(fmt::format("a cost term names decision {} of {}", decision, space.size()));
      count *= space.decisions[decision].choices.size();
    }
    if (term.values.size() != count || !std::ranges::is_sorted(term.scope))
      throw InputError("a cost term does not have its decisions ascending and a value per choices of them");
    costs.terms.push_back(std::move(term));
  }
  return costs;
}

}  // namespace

Surrogate surrogate_from(const json& file) {
  if (file.at("version") != kVersion) throw InputError(fmt::format("it is not of version {}", kVersion));
  Surrogate s{.name = file.at("name"), .origin = file.at("origin"), .space = space_from(file)};
  for (const auto& [name, costs] : file.at("costs").items()) {
    const Measure measure = measure_of(name);
    s.costs[static_cast<std::size_t>(measure)] = costs_from(costs, s.space);
    s.reference[measure] = costs.at("reference");
  }
  const json& loss = file.at("loss");
  s.highest = loss.at("highest");
  s.exponent = loss.at("exponent");
  s.effects = loss.at("effects");
  s.own_rise = loss.at("own");
  s.loss_noise = loss.at("noise");
  const json& accuracy = file.at("accuracy");
  s.slope = accuracy.at("slope");
  s.own_accuracy = accuracy.at("own");
  s.accuracy_noise = accuracy.at("noise");
  const json& folds = file.at("folds");
  s.fold_images = folds.at("images");
  s.folds = folds.at("all");
  s.full_folds = folds.at("full");
  s.statistics_images = folds.at("statistics");
  s.fold_shift = folds.at("shift");
  if (s.fold_images < 1 || s.full_folds < 1 || s.folds <= s.full_folds || !(s.exponent > 0))
    throw InputError(
        "its folds need images, some for evaluations and more for checks; its exponent is above 0");
  if (s.effects.size() != s.space.decisions.size())
    throw InputError("its effects are not one list per decision");
  for (std::size_t d = 0; d < s.effects.size(); ++d)
    if (s.effects[d].size() != s.space.decisions[d].choices.size())
      throw InputError("its effects are not one per choice");
  return s;
}

std::unique_ptr<Task> surrogate_task(Surrogate surrogate) {
  return std::make_unique<SurrogateTask>(std::move(surrogate));
}

}  // namespace bitloop::search
