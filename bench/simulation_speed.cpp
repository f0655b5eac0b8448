// Speed of the simulated accelerator: million clock cycles per second of whole jobs on one core, median of 7
// runs. Seconds are the process's processor time, so that other work on the machine counts less. Target: at
// least 1 on `default` at every width; exit 1 where missed.
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <vector>

#include "bench/single_layer.h"
#include "sim/sim_device.h"

using namespace bitloop;

namespace {

constexpr const char* kLayer = "conv in=64x32x32 out=64 kernel=3 stride=1 pad=1";
constexpr int kRuns = 7;
constexpr double kTarget = 1;  // Mcycle/s

/// Prints the speed; true where the median reaches the target.
bool measure(const std::string& hardware, int weight_bits, int input_bits) {
  const auto device = sim::make_sim_device(hardware);
  const bench::SingleLayer layer = bench::single_layer(kLayer, weight_bits, input_bits, device->info());
  host::Driver driver(*device);
  driver.load(layer.job);
  std::vector<double> speeds;
  host::Cycles cycles = 0;
  for (int run = 0; run < kRuns; ++run) {
    const std::clock_t start = std::clock();
    cycles = driver.run(layer.input).cycles();
    const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    speeds.push_back(static_cast<double>(cycles) / seconds / 1e6);
  }
  std::sort(speeds.begin(), speeds.end());
  const double median = speeds[kRuns / 2];
  fmt::print("{:10} {:>6} {:>12} {:>10.2f} {:>10.2f} {:>10.2f}   target {:.1f} {}\n", hardware,
             fmt::format("w{}a{}", weight_bits, input_bits), cycles, median, speeds.front(), speeds.back(),
             kTarget, median >= kTarget ? "reached" : "MISSED");
  return median >= kTarget;
}

}  // namespace

int main() {
  fmt::print("{}\n{:10} {:>6} {:>12} {:>10} {:>10} {:>10}\n", kLayer, "hardware", "policy", "cycles",
             "Mcycle/s", "lowest", "highest");
  bool reached = true;
  for (const int bits : {8, 4, 2, 1}) reached = measure("default", bits, bits) && reached;
  return reached ? 0 : 1;
}
