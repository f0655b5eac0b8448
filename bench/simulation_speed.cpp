// Speed of the simulated accelerator, full and timing-only: million clock cycles per second of whole
// networks, from START to the end, on one core, median of 3 runs. Seconds are the process's processor time,
// so that other work on the machine counts less. Targets on `default`: the full model at least 1 on ResNet-18
// and 0.6 on MobileNet-V2, the timing-only one at least 5; exit 1 where missed.
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <vector>

#include "host/compiler/compiler.h"
#include "host/device/registers.h"
#include "host/driver/driver.h"
#include "sim/sim_device.h"

using namespace bitloop;

namespace {

constexpr int kRuns = 3;
constexpr std::uint32_t kSequence = 1000;  // of jobs: unlike those of the driver's

struct Model {
  const char* name;
  sim::Detail detail;
};
struct Case {
  const char* network;
  double full_target;  ///< Mcycle/s
  double timing_target;
};
constexpr Model kModels[] = {{"full", sim::Detail::full}, {"timing", sim::Detail::timing}};
constexpr Case kCases[] = {{"resnet18", 1, 5}, {"mobilenet-v2", 0.6, 5}};

/// Prints the speed; true where the median reaches the target.
bool measure(const Model& model, const Case& what, const char* policy) {
  const double target = model.detail == sim::Detail::full ? what.full_target : what.timing_target;
  const auto device = sim::make_sim_device("default", {}, {}, model.detail);
  const host::Network network = host::zoo_network(what.network);
  const auto quantized = host::random_quantization(network, host::load_policy(network, policy), /*seed=*/1);
  const std::vector<std::uint8_t> input(
      static_cast<std::size_t>(network.tensors[network.input].shape.elements()), 1);
  host::Driver driver(*device);
  driver.load(host::compile(quantized, device->info()));
  const host::Cycles cycles = driver.run(input).cycles();
  std::vector<double> speeds;
  for (std::uint32_t run = 1; run <= kRuns; ++run) {
    const std::clock_t start = std::clock();
    device->write_register(host::registers::kStart, kSequence + run);
    if (!device->wait_done(kSequence + run, host::Driver::kDefaultLimit)) return false;
    const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    speeds.push_back(static_cast<double>(cycles) / seconds / 1e6);
  }
  std::sort(speeds.begin(), speeds.end());
  const double median = speeds[kRuns / 2];
  fmt::print("{:7} {:13} {:>6} {:>12} {:>10.2f} {:>8.2f} {:>8.2f}   target {:.1f} {}\n", model.name,
             what.network, policy, cycles, median, speeds.front(), speeds.back(), target,
             median >= target ? "reached" : "MISSED");
  return median >= target;
}

}  // namespace

int main() {
  fmt::print("{:7} {:13} {:>6} {:>12} {:>10} {:>8} {:>8}\n", "model", "network", "policy", "cycles",
             "Mcycle/s", "lowest", "highest");
  bool reached = true;
  for (const Model& model : kModels) {
    for (const Case& what : kCases) {
      for (const char* policy : {"w8a8", "w4a4", "w2a2"}) reached = measure(model, what, policy) && reached;
    }
  }
  return reached ? 0 : 1;
}
