#pragma once

#include <cmath>
#include <string>
#include <utility>

#include "agent/tables/task.h"
#include "tests/search/instances.h"

namespace bitloop::search::test {

/// An instance as a task of any dimension: losses are the sum of its effects but for a small part of each
/// assignment's own, accuracies fall with them, ten reward folds differ by noise.
class InstanceTask : public Task, public CostModel, public Evaluator {
 public:
  explicit InstanceTask(Instance instance) : instance_(std::move(instance)) {
    reference_[Measure::cycles] = instance_.costs(instance_.space, instance_.space.highest());
  }

  [[nodiscard]] const std::string& name() const override { return instance_.space.name; }
  [[nodiscard]] const Space& space() const override { return instance_.space; }
  [[nodiscard]] CostModel& costs() override { return *this; }
  std::unique_ptr<Evaluator> evaluator(std::uint64_t /*seed*/) override {
    return std::make_unique<InstanceTask>(*this);
  }
  double test_accuracy(const Assignment& assignment) override { return accuracy(loss(assignment)); }

  Costs costs(const Assignment& assignment) override {
    Costs costs;
    costs[Measure::cycles] = instance_.costs(instance_.space, assignment);
    return costs;
  }
  const LocalCosts& local(Measure /*measure*/) override { return instance_.costs; }
  [[nodiscard]] const Costs& reference() const override { return reference_; }
  [[nodiscard]] double limit() const { return instance_.limit; }

  std::vector<Answer> evaluate(std::span<const Query> queries) override {
    std::vector<Answer> answers;
    for (const Query& query : queries) answers.push_back(answer(query));
    return answers;
  }
  [[nodiscard]] Prices prices() const override {
    return {.probe_base = 0.1, .probe_per_image = 0.002, .probe_images = 1000};
  }

 private:
  static double accuracy(double loss) { return std::exp(-0.4 * loss); }
  /// Of an assignment alone, 0 to below 1.
  static double hash(const Assignment& assignment, std::uint64_t salt) {
    std::uint64_t state = 0x9E3779B97F4A7C15 + salt;
    for (const int choice : assignment)
      state = (state ^ static_cast<std::uint64_t>(choice + 1)) * 0xBF58476D1CE4E5B9;
    return static_cast<double>(std::mt19937_64(state)() >> 11) * 0x1p-53;
  }
  [[nodiscard]] double loss(const Assignment& assignment) const {
    return 0.3 + instance_.effect(assignment) * (1 + 0.1 * (hash(assignment, 0) - 0.5));
  }
  [[nodiscard]] Answer answer(const Query& query) {
    Answer answer{.query = query, .price = prices().of(query)};
    answer.costs = costs(query.assignment);
    const double mean = loss(query.assignment);
    const int images = query.fidelity == Fidelity::full ? 1000 : query.images;
    for (int fold = 0; fold < 10; ++fold) {
      const double noise =
          (hash(query.assignment, 1 + fold) - 0.5) * std::sqrt(6 * (mean - 0.3) / images * 10);
      const double noisy = mean + noise;
      answer.folds.push_back(
          {images / 10, static_cast<int>(std::lround(accuracy(noisy) * images / 10)), noisy * images / 10});
    }
    return answer;
  }

  Instance instance_;
  Costs reference_;
};

}  // namespace bitloop::search::test
