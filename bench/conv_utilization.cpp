// Cycles of one convolution of 64 by 64 channels, 3x3, on 32x32 positions: share of cycles in which the array
// accumulates, and speed-up over w8a8, beside the ideal one (w*a bits per product, 64 at w8a8).
// Targets: active in at least 95 % at w8a8; 3.8, 14, 24 times fewer cycles at w4a4, w2a2, w1a2. Exit 1 where
// missed.
#include <fmt/format.h>

#include "bench/single_layer.h"
#include "host/device/registers.h"
#include "sim/sim_device.h"

using namespace bitloop;

namespace {

constexpr const char* kLayer = "conv in=64x32x32 out=64 kernel=3 stride=1 pad=1";

struct Pair {
  int weight_bits;
  int input_bits;
  double target;  ///< least speed-up over w8a8; 0: none
};
constexpr double kTargetShare = 0.95;  // at w8a8

host::Counters measure(host::Device& device, Pair pair) {
  const bench::SingleLayer layer =
      bench::single_layer(kLayer, pair.weight_bits, pair.input_bits, device.info());
  host::Driver driver(device);
  driver.load(layer.job);
  return driver.run(layer.input).total;
}

}  // namespace

int main() {
  namespace reg = host::registers;
  const auto device = sim::make_sim_device("default");
  fmt::print("{} on {}, memory {}\n", kLayer, device->info().name, device->info().memory);
  fmt::print("{:>6} {:>10} {:>12} {:>8} {:>10} {:>10} {:>10}\n", "policy", "cycles", "array_active", "share",
             "speed-up", "target", "ideal");
  double at_8 = 0;
  bool reached = true;
  for (const Pair pair : {Pair{8, 8, 0}, Pair{4, 4, 3.8}, Pair{2, 2, 14}, Pair{1, 2, 24}, Pair{1, 1, 0}}) {
    const host::Counters counters = measure(*device, pair);
    const auto cycles = static_cast<double>(counters[reg::kCounterCycles]);
    const auto active = static_cast<double>(counters[reg::kCounterArrayActive]);
    if (at_8 == 0) {
      at_8 = cycles;
      reached = active / cycles >= kTargetShare;
    }
    reached = reached && at_8 / cycles >= pair.target;
    fmt::print("{:>6} {:>10.0f} {:>12.0f} {:>7.1f}% {:>10.2f} {:>10} {:>10.2f}\n",
               fmt::format("w{}a{}", pair.weight_bits, pair.input_bits), cycles, active,
               100 * active / cycles, at_8 / cycles,
               pair.target > 0 ? fmt::format("{:.1f}", pair.target) : "",
               64.0 / (pair.weight_bits * pair.input_bits));
  }
  fmt::print("targets (array active at w8a8: {:.0f} %): {}\n", 100 * kTargetShare,
             reached ? "reached" : "MISSED");
  return reached ? 0 : 1;
}
