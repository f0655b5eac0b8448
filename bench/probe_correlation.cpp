// Spearman's rank correlation between what sensitivities predict (one-at-a-time probes: the sum of the rises
// of the loss, made monotone; fisher, sqnr and hutchinson: the sum of their clean values, sqnr's as shares)
// and what random policies really have: their accuracy, and their loss, on as many images as an evaluation
// takes. Targets: 0.95 for ResNet-20's 41 decisions by probes of 1,000 images, not retrained. What was
// evaluated is remembered with the outcomes of all runs. Exit 1 where a target is missed.
//
//   bench_probe_correlation resnet20.onnx CIFAR-10-FOLDER [policies, 120]
//   bench_probe_correlation lenet fashion-mnist [policies, 120 [epochs of retraining, 0]]
//
// ResNet-20 wants ImageNet's mean and deviation; the reward split comes from the test file.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "agent/run/laboratory.h"
#include "agent/run/sensitivities.h"
#include "agent/solver/projection.h"
#include "agent/space/effects.h"
#include "host/base/error.h"
#include "host/base/parallel.h"
#include "sim/sim_device.h"

using namespace bitloop;
using search::Assignment;

namespace {

constexpr double kTarget = 0.95;
constexpr int kWorkers = 2;
constexpr int kTrainingImages = 12000;  // as `bitloop search`

/// Ranks from 0, those of equals their mean.
std::vector<double> ranks_of(const std::vector<double>& values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::sort(order, {}, [&](std::size_t i) { return values[i]; });
  std::vector<double> ranks(values.size());
  for (std::size_t i = 0, end = 0; i < order.size(); i = end) {
    while (end < order.size() && values[order[end]] == values[order[i]]) ++end;
    for (std::size_t j = i; j < end; ++j) ranks[order[j]] = (static_cast<double>(i + end) - 1) / 2;
  }
  return ranks;
}

double spearman(const std::vector<double>& a, const std::vector<double>& b) {
  const auto x = ranks_of(a);
  const auto y = ranks_of(b);
  const double mean = (static_cast<double>(x.size()) - 1) / 2;
  double both = 0, xx = 0, yy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    both += (x[i] - mean) * (y[i] - mean);
    xx += (x[i] - mean) * (x[i] - mean);
    yy += (y[i] - mean) * (y[i] - mean);
  }
  return both / std::sqrt(xx * yy);
}

std::vector<search::Answer> answers_to(search::Task& task, const std::vector<search::Query>& queries) {
  std::vector<search::Answer> answers(queries.size());
  std::vector<std::unique_ptr<search::Evaluator>> evaluators;
  for (int i = 0; i < kWorkers; ++i) evaluators.push_back(task.evaluator(/*seed=*/1));
  host::parallel_for(static_cast<int>(queries.size()), kWorkers, [&](int item, int worker) {
    answers[item] = evaluators[worker]->evaluate(std::span(&queries[item], 1)).front();
  });
  return answers;
}

/// What each choice of each decision adds to the loss.
std::vector<std::vector<double>> effects_by_probes(search::Task& task, int images) {
  const search::Space& space = task.space();
  std::vector<search::Query> queries{{space.highest(), search::Fidelity::probe, images}};
  for (int d = 0; d < space.size(); ++d) {
    for (int choice = 0; choice + 1 < space.decisions[d].size(); ++choice) {
      queries.push_back(queries.front());
      queries.back().assignment[d] = choice;
    }
  }
  const auto answers = answers_to(task, queries);
  std::vector<std::vector<double>> effects;
  for (std::size_t next = 1; const search::Decision& decision : space.decisions) {
    effects.emplace_back();
    for (int choice = 0; choice + 1 < decision.size(); ++choice)
      effects.back().push_back(answers[next++].loss() - answers.front().loss());
    effects.back().push_back(0);
    search::make_monotone(effects.back());
  }
  return effects;
}

/// What each choice of each decision does, by one of the float network's measures, so that it adds up.
std::vector<std::vector<double>> effects_by(agent::Laboratory& laboratory, const std::string& measure) {
  const auto measured = agent::float_sensitivities(laboratory, measure, /*seed=*/1, kWorkers);
  std::vector<std::vector<double>> effects(laboratory.policies().space().decisions.size());
  double price = 0;
  for (const agent::Sensitivity& row : measured.rows) {
    effects[row.decision].push_back(measure == "sqnr" ? std::pow(10, -row.clean / 10) : row.clean);
    price += row.price;
  }
  fmt::print("{:>20}: {:.2g} evaluations", measure, price);
  return effects;
}

/// Of the sums of effects with errors and losses.
std::pair<double, double> correlations(const std::vector<search::Answer>& answers,
                                       const std::vector<std::vector<double>>& effects) {
  std::vector<double> predicted, errors, losses;
  for (const search::Answer& answer : answers) {
    double sum = 0;
    for (std::size_t d = 0; d < effects.size(); ++d) sum += effects[d][answer.query.assignment[d]];
    predicted.push_back(sum);
    errors.push_back(1 - answer.accuracy());
    losses.push_back(answer.loss());
  }
  return {spearman(predicted, errors), spearman(predicted, losses)};
}

int run(const std::string& model, const std::string& data, int count, int epochs) {
  const bool is_resnet = model.ends_with(".onnx");
  agent::TaskSpec spec;
  spec.model = model;
  spec.data = data;
  if (is_resnet) {
    spec.data = "cifar10:" + data;
    spec.mean = {0.485F, 0.456F, 0.406F};
    spec.deviation = {0.229F, 0.224F, 0.225F};
    spec.reward_from_test = true;
  }
  const auto devices = std::make_shared<host::DevicePool>(
      "sim", [] { return sim::make_sim_device("default", {}, {}, sim::Detail::timing); });
  agent::Laboratory laboratory(
      spec, {.rules = is_resnet ? "ends8" : "free"}, devices,
      std::make_unique<host::MeasurementStore>(host::MeasurementStore::default_path()), {});
  agent::EvaluationRecipe recipe;
  recipe.retraining.epochs = epochs;
  recipe.retraining.images = kTrainingImages;
  laboratory.open(agent::open_weights(spec, laboratory.opened()), recipe,
                  std::make_shared<agent::OutcomeStore>(agent::OutcomeStore::default_path()));
  agent::NetworkTask& task = laboratory.task();
  std::mt19937_64 random(1);
  std::vector<search::Query> policies;
  for (int i = 0; i < count; ++i) policies.push_back({search::random_assignment(task.space(), random)});
  const auto answers = answers_to(task, policies);
  for (const std::string measure : {"fisher", "sqnr", "hutchinson"}) {
    const auto [error, loss] = correlations(answers, effects_by(laboratory, measure));
    fmt::print(", {:.3f} with accuracy, {:.3f} with loss\n", error, loss);
  }
  bool reached = true;
  for (const int images : {200, 1000}) {
    const auto effects = effects_by_probes(task, images);
    const auto [error, loss] = correlations(answers, effects);
    const bool has_target = is_resnet && images == 1000;
    if (has_target) reached = error >= kTarget;
    std::size_t probes = 1;
    for (const auto& decision : effects) probes += decision.size() - 1;
    const double price =
        static_cast<double>(probes) * task.prices().of({{}, search::Fidelity::probe, images});
    fmt::print(
        "{:>5} images a probe: {:.2g} evaluations, {:.3f} with accuracy, {:.3f} with loss{}\n", images, price,
        error, loss,
        has_target ? fmt::format("   target {:.2f}   {}", kTarget, reached ? "reached" : "MISSED") : "");
  }
  return reached ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    fmt::print(stderr,
               "usage: bench_probe_correlation resnet20.onnx CIFAR-10-FOLDER [policies]\n"
               "       bench_probe_correlation lenet fashion-mnist [policies [epochs]]\n");
    return 2;
  }
  try {
    return run(argv[1], argv[2], argc > 3 ? std::atoi(argv[3]) : 120, argc > 4 ? std::atoi(argv[4]) : 0);
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_probe_correlation: {}\n", error.what());
    return 1;
  }
}
