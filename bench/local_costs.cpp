// How far the local terms of a network's cycles and energy are from its real costs, over random policies, and
// how long they take to measure where nothing is remembered. Then the exact solver on them: time, and rounds
// until local and real cost of its solution agree (CostModel::local_around). No targets.
// usage: bench_local_costs [POLICIES]
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <random>

#include "agent/evaluation/policy_costs.h"
#include "agent/solver/knapsack.h"
#include "sim/sim_device.h"

using namespace bitloop;
using search::Assignment;
using search::Measure;

namespace {

constexpr double kBudgets[] = {0.2, 0.3, 0.5};
constexpr int kMostRounds = 8;

double seconds_of(const auto& action) {
  const auto start = std::chrono::steady_clock::now();
  action();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void compare(agent::PolicyCosts& costs, const search::Space& space, int count) {
  std::mt19937_64 random(5);
  for (const Measure measure : {Measure::cycles, Measure::energy}) {
    double squares = 0, largest = 0;
    for (int i = 0; i < count; ++i) {
      Assignment assignment;
      for (const auto& decision : space.decisions)
        assignment.push_back(static_cast<int>(random() % decision.choices.size()));
      const double error = costs.local(measure)(space, assignment) / costs.costs(assignment)[measure] - 1;
      squares += error * error;
      largest = std::max(largest, std::abs(error));
    }
    fmt::print("  {}: rms {:.4f} %, largest {:.4f} % of {} random policies\n", search::name_of(measure),
               100 * std::sqrt(squares / count), 100 * largest, count);
  }
}

/// Effects as quantization noise has them: a quarter for each bit more, of random size.
std::vector<std::vector<double>> random_effects(const search::Space& space) {
  std::mt19937_64 random(3);
  std::vector<std::vector<double>> effects;
  for (const auto& decision : space.decisions) {
    const double size = static_cast<double>(random() % 1000) + 1;
    auto& values = effects.emplace_back();
    for (const auto& choice : decision.choices) values.push_back(size * std::pow(4, 4 - choice.bits));
  }
  return effects;
}

void solve_around(agent::PolicyCosts& costs, const search::Space& space, double budget) {
  const double limit = budget * costs.reference().cycles();
  search::LocalCosts local = costs.local(Measure::cycles);
  fmt::print("  budget {}:", budget);
  for (int round = 0; round < kMostRounds; ++round) {
    std::vector<search::Solution> found;
    const double seconds = seconds_of([&] {
      found = search::solve({space, local, random_effects(space), limit});
    });
    if (found.empty()) break;
    const double real = costs.costs(found.front().assignment).cycles();
    fmt::print(" {:.1f} ms, real {:+.2f} %", 1e3 * seconds, 100 * (real / found.front().cost - 1));
    if (real == found.front().cost) break;
    local = costs.local_around(Measure::cycles, found.front().assignment);
  }
  fmt::print("\n");
}

}  // namespace

int main(int argc, char** argv) {
  const int count = argc > 1 ? std::atoi(argv[1]) : 300;
  const auto devices = std::make_shared<host::DevicePool>(
      "sim", [] { return sim::make_sim_device("default", {}, {}, sim::Detail::timing); });
  host::MeasurementStore store(host::MeasurementStore::default_path());
  const auto profile = host::load_energy_profile(host::energy_profile_names().front());
  for (const auto& [name, channels, side] :
       {std::tuple{"lenet", 1, 28}, {"resnet20", 3, 32}, {"mobilenet-v2", 3, 32}, {"mobilenet-v2", 3, 224}}) {
    const agent::PolicySpace space(host::zoo_network(name, host::Shape{channels, side, side}));
    host::SegmentMeter meter(devices, &store);
    agent::PolicyCosts costs(space, meter, profile);
    const double seconds = seconds_of([&] { costs.local(Measure::cycles); });
    fmt::print("{} {} px, {} decisions: {} terms in {:.1f} s, {} segments ran\n", name, side,
               space.space().size(), costs.local(Measure::cycles).terms.size(), seconds, costs.measured());
    compare(costs, space.space(), count);
    for (const double budget : kBudgets) solve_around(costs, space.space(), budget);
  }
  return 0;
}
