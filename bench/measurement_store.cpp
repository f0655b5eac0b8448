// What a measurement costs where the store knows every segment. Targets: a whole `bitloop measure --model
// mobilenet-v2` process at most 50 ms, a look-up inside a search at most 100 microseconds. Medians; exit 1
// where one is missed. usage: bench_measurement_store [BITLOOP]
#include <fmt/format.h>
#include <stdlib.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <vector>

#include "host/measurement/measure.h"
#include "sim/sim_device.h"

using namespace bitloop;

namespace {

constexpr int kRuns = 51;
bool all_reached = true;

/// Median microseconds of an action.
double median(const std::function<void()>& action) {
  std::vector<double> times;
  for (int i = 0; i < kRuns; ++i) {
    const auto start = std::chrono::steady_clock::now();
    action();
    times.push_back(
        std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count());
  }
  std::nth_element(times.begin(), times.begin() + kRuns / 2, times.end());
  return times[kRuns / 2];
}

void report(const char* what, double microseconds, double target) {
  const bool reached = target == 0 || microseconds <= target;
  fmt::print("{:<66} {:>10.1f} us", what, microseconds);
  if (target > 0) fmt::print("   target {:>7.0f} us  {}", target, reached ? "reached" : "MISSED");
  fmt::print("\n");
  all_reached = all_reached && reached;
}

}  // namespace

int main(int argc, char** argv) {
  namespace fs = std::filesystem;
  const std::string bitloop =
      argc > 1 ? argv[1] : (fs::read_symlink("/proc/self/exe").parent_path() / "bitloop").string();
  std::string name = (fs::temp_directory_path() / "bitloop_bench_XXXXXX").string();
  const fs::path folder = mkdtemp(name.data());
  setenv("XDG_CACHE_HOME", folder.c_str(), 1);
  const std::string command = fmt::format("exec '{}' measure --model mobilenet-v2 > /dev/null", bitloop);
  const auto whole_process = [&] {
    if (std::system(command.c_str()) != 0) {
      fmt::print(stderr, "failed: {}\n", command);
      std::exit(1);
    }
  };
  whole_process();  // fills the store
  report("bitloop measure --model mobilenet-v2, whole process, all remembered", median(whole_process),
         50'000);

  const host::Network network = host::zoo_network("mobilenet-v2");
  const host::Policy policy = host::load_policy(network, "w8a8");
  const auto devices = std::make_shared<host::DevicePool>(
      "sim", [] { return sim::make_sim_device("default", {}, {}, sim::Detail::timing); });
  host::MeasurementStore store(host::MeasurementStore::default_path());
  host::SegmentMeter meter(devices, &store);
  const auto look_up = [&](host::SegmentMeter& with) {
    if (host::measure_network(with, network, policy).measured != 0) {
      fmt::print(stderr, "failed: the store of {} does not know the policy\n", bitloop);
      std::exit(1);
    }
  };
  look_up(meter);
  report("look-up of a policy inside a search (plan, keys and records)", median([&] { look_up(meter); }),
         100);
  report("(beside it: the first look-up, from the file)", median([&] {
           host::MeasurementStore again(host::MeasurementStore::default_path());
           host::SegmentMeter first(devices, &again);
           look_up(first);
         }),
         0);
  fs::remove_all(folder);
  return all_reached ? 0 : 1;
}
