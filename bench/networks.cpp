// Cycles of whole networks on `default` hardware and memory beside their targets, and how long cold
// measurements take with nothing remembered (two cores). Exit 1 where a target is missed.
//   bench_networks           cycles and speed-ups
//   bench_networks cold      also the times of one policy and of all pairs (minutes)
//   bench_networks compose   also random policies of MobileNet-V2 and ResNet-18 in full size, 200 each:
//   composed from
//                            their segments, and run whole; every counter must agree (several minutes)
#include <fmt/format.h>

#include <chrono>
#include <map>
#include <random>
#include <string>

#include "host/measurement/all_pairs.h"
#include "host/measurement/measure.h"
#include "sim/sim_device.h"
#include "tests/host/network/random_cases.h"

using namespace bitloop;

namespace {

bool all_reached = true;

std::string verdict(bool reached) {
  all_reached = all_reached && reached;
  return reached ? "reached" : "MISSED";
}

std::shared_ptr<host::DevicePool> timing_devices() {
  return std::make_shared<host::DevicePool>(
      "sim", [] { return sim::make_sim_device("default", {}, {}, sim::Detail::timing); });
}

host::SegmentMeter make_meter(host::MeasurementStore* store) {
  return host::SegmentMeter(timing_devices(), store);
}

double seconds_of(const std::function<void()>& action) {
  const auto start = std::chrono::steady_clock::now();
  action();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

host::Cycles cycles_of(host::SegmentMeter& meter, const char* network, const char* policy) {
  const host::Network graph = host::zoo_network(network);
  return host::measure_network(meter, graph, host::load_policy(graph, policy)).cycles();
}

void cycles_table(host::SegmentMeter& meter) {
  struct Row {
    const char* network;
    double most;  ///< cycles at w8a8
    std::map<std::string, double> speed_ups;
  };
  const Row rows[] = {{"mobilenet-v2", 4.2e6, {{"w4a4", 2.6}, {"w2a2", 4.5}}},
                      {"resnet18", 16.5e6, {{"w4a4", 3.3}, {"w2a2", 10.5}, {"w1a2", 16}}},
                      {"resnet50", 37e6, {}},
                      {"yolov3", 290e6, {}}};
  for (const Row& row : rows) {
    const auto base = static_cast<double>(cycles_of(meter, row.network, "w8a8"));
    fmt::print("{:13} w8a8 {:>12.0f} cycles            target at most {:>11.0f}  {}\n", row.network, base,
               row.most, verdict(base <= row.most));
    for (const auto& [policy, least] : row.speed_ups) {
      const auto cycles = static_cast<double>(cycles_of(meter, row.network, policy.c_str()));
      fmt::print("{:13} {} {:>12.0f} cycles  {:>6.2f} x  target at least {:>9.1f} x  {}\n", row.network,
                 policy, cycles, base / cycles, least, verdict(base / cycles >= least));
    }
  }
}

void cold_times() {
  const double policy = seconds_of([] {
    host::SegmentMeter meter = make_meter(nullptr);
    cycles_of(meter, "mobilenet-v2", "w8a8");
  });
  fmt::print("mobilenet-v2, one policy, cold: {:.2f} s, target 2 s {}\n", policy, verdict(policy <= 2));
  const std::pair<const char*, double> networks[] = {{"mobilenet-v2", 3}, {"resnet50", 9}, {"yolov3", 33}};
  for (const auto& [name, most] : networks) {
    std::size_t count = 0;
    const double time = seconds_of([&, network = name] {
      host::SegmentMeter meter = make_meter(nullptr);
      count = host::measure_all_pairs(meter, host::zoo_network(network), 0, {}).size();
    });
    fmt::print("{}, all {} pairs of layers and widths, cold: {:.1f} s, target {:.0f} s {}\n", name, count,
               time, most, verdict(time <= most));
  }
}

void compare_composed(host::SegmentMeter& meter) {
  constexpr int kPolicies = 200;
  for (const char* name : {"mobilenet-v2", "resnet18"}) {
    const host::Network network = host::zoo_network(name);
    const auto devices = timing_devices();
    std::mt19937_64 random(1);
    int equal = 0;
    for (int i = 0; i < kPolicies; ++i) {
      const host::Policy policy = host::test::random_policy(network, random);
      const auto composed = host::measure_network(meter, network, policy);
      const auto run = host::run_network(*devices, network, policy);
      if (composed.total == run.total && composed.counters == run.counters) ++equal;
    }
    fmt::print("{}: {} of {} random policies composed as they run, in every counter  {}\n", name, equal,
               kPolicies, verdict(equal == kPolicies));
  }
}

}  // namespace

int main(int argc, char** argv) {
  host::MeasurementStore store{{}};
  host::SegmentMeter meter = make_meter(&store);
  cycles_table(meter);
  if (argc > 1 && std::string(argv[1]) == "cold") cold_times();
  if (argc > 1 && std::string(argv[1]) == "compose") compare_composed(meter);
  return all_reached ? 0 : 1;
}
