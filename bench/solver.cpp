// How long the exact solver takes on knapsacks shaped like networks, at several limits. Target: the best
// assignment of ResNet-20's 41 decisions in at most 50 ms, always; exit 1 where it is missed.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "tests/search/instances.h"

namespace {

using namespace bitloop::search;

constexpr double kBudgets[] = {0.1, 0.2, 0.3, 0.5, 0.8};
constexpr int kSeeds = 20;

/// The slowest, in milliseconds.
double measure(const char* name, Instance (*make)(double, std::uint64_t), const SolverOptions& options) {
  std::vector<double> milliseconds;
  for (const double budget : kBudgets) {
    for (int seed = 1; seed <= kSeeds; ++seed) {
      const Instance instance = make(budget, static_cast<std::uint64_t>(seed));
      const auto start = std::chrono::steady_clock::now();
      (void)solve(instance.knapsack(), options);
      const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
      milliseconds.push_back(took.count());
    }
  }
  std::ranges::sort(milliseconds);
  fmt::print("{:14} {:3} best, {} decisions apart: median {:6.1f} ms, slowest of {} {:6.1f} ms\n", name,
             options.count, options.distance, milliseconds[milliseconds.size() / 2], milliseconds.size(),
             milliseconds.back());
  return milliseconds.back();
}

Instance resnet20(double budget, std::uint64_t seed) { return residual_network(9, budget, seed); }
Instance resnet56(double budget, std::uint64_t seed) { return residual_network(27, budget, seed); }

}  // namespace

int main() {
  constexpr double kTarget = 50;  // milliseconds
  const bool reached = measure("ResNet-20", resnet20, {}) <= kTarget;
  fmt::print("target: at most {} ms: {}\n", kTarget, reached ? "reached" : "MISSED");
  measure("MobileNet-V2", mobile_network, {});
  measure("ResNet-56", resnet56, {});
  for (const SolverOptions& options : {SolverOptions{.count = 100}, {.count = 8, .distance = 4}}) {
    measure("ResNet-20", resnet20, options);
    measure("MobileNet-V2", mobile_network, options);
  }
  return reached ? 0 : 1;
}
