// The demo search (ddpg and random search) against its targets: at least 60 evaluated policies in at most 150
// seconds on 2 cores, the best policy within the budget, and no uniform policy wXaY within it clearly more
// accurate on the test split (each retrained as the search's best one is). Two cores, and caches of its own:
// the float training and every measurement are part of the time. usage: demo_search [BITLOOP [FOLDER]];
// prints each figure and exits with 1 where one misses.

#include <fmt/format.h>
#include <sched.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

bool all_reached = true;

void report(const char* what, const std::string& figure, const char* target, bool reached) {
  fmt::print("{:<58} {:>24}   target {:<22} {}\n", what, figure, target, reached ? "reached" : "MISSED");
  all_reached = all_reached && reached;
}

/// What a command that prints JSON printed.
nlohmann::json json_of(const std::string& command) {
  std::string text;
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("cannot run " + command);
  char buffer[4096];
  for (std::size_t n = 0; (n = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) text.append(buffer, n);
  if (pclose(pipe) != 0) throw std::runtime_error("failed: " + command);
  return nlohmann::json::parse(text);
}

struct UniformPolicy {
  std::string name;
  double cost_ratio = 0;
  double accuracy = 0;  ///< test split
};

/// Every wXaY within the budget, retrained for as many epochs as the search retrains its best policies.
std::vector<UniformPolicy> uniform_within_budget(const std::string& bitloop) {
  const auto cycles = [&](const std::string& policy) {
    const auto json =
        json_of(fmt::format("'{}' measure --model lenet --policy {} --format json", bitloop, policy));
    return json["total"]["cycles"].get<double>();
  };
  const double at_8 = cycles("w8a8");
  std::vector<UniformPolicy> policies;
  for (const int weight_bits : {8, 4, 2, 1}) {
    for (const int input_bits : {8, 4, 2, 1}) {
      UniformPolicy policy{.name = fmt::format("w{}a{}", weight_bits, input_bits)};
      policy.cost_ratio = cycles(policy.name) / at_8;
      if (policy.cost_ratio > 0.6) continue;
      const auto json = json_of(
          fmt::format("'{}' eval --policy {} --retrain 3 --format json 2>/dev/null", bitloop, policy.name));
      policy.accuracy = json["accuracy"].get<double>();
      policies.push_back(policy);
    }
  }
  return policies;
}

}  // namespace

int main(int argc, char** argv) {
  namespace fs = std::filesystem;
  const fs::path self = fs::read_symlink("/proc/self/exe");
  const std::string bitloop = argc > 1 ? argv[1] : (self.parent_path() / "bitloop").string();
  const fs::path folder = argc > 2 ? fs::path(argv[2]) : fs::temp_directory_path() / "bitloop_demo_search";
  fs::remove_all(folder);
  std::string cache = (fs::temp_directory_path() / "bitloop_demo_cache_XXXXXX").string();
  setenv("XDG_CACHE_HOME", mkdtemp(cache.data()), 1);
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(0, &cores);
  CPU_SET(1, &cores);
  sched_setaffinity(0, sizeof cores, &cores);  // on a machine with one core: no effect
  const std::string command =
      fmt::format("'{}' search --method ddpg --budget 0.6 --evaluations 60 --lines uniform,random --out '{}'",
                  bitloop, folder.string());
  const auto start = std::chrono::steady_clock::now();
  if (std::system(command.c_str()) != 0) {
    fmt::print(stderr, "failed: {}\n", command);
    return 1;
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::ifstream file(folder / "summary.json");
  const auto summary = nlohmann::json::parse(file);
  const auto& best = summary["best"];
  const int evaluations = summary["evaluations"].get<int>();
  const double ratio = best["cost_ratio"].get<double>();
  std::string better;
  std::vector<UniformPolicy> uniform;
  const auto images = summary["test_images"].get<double>();
  const double accuracy = best["test_accuracy"].get<double>();
  for (const UniformPolicy& policy : uniform_within_budget(bitloop)) {
    // the interval of the difference of two accuracies over n images each, as in
    // agent/evaluation/statistics.h
    const double spread =
        1.96 * std::sqrt((accuracy * (1 - accuracy) + policy.accuracy * (1 - policy.accuracy)) / images);
    if (policy.accuracy - accuracy > spread) better += policy.name + " ";
    uniform.push_back(policy);
  }

  fmt::print("\n");
  report("demo search, whole command", fmt::format("{:.0f} s", seconds), "<= 150 s", seconds <= 150);
  report("policies evaluated by the method", std::to_string(evaluations), ">= 60", evaluations >= 60);
  report("cost_ratio of the best policy", fmt::format("{:.3f}", ratio), "<= 0.6", ratio <= 0.6);
  report("uniform policies clearly more accurate within the budget", better.empty() ? "none" : better, "none",
         better.empty());
  fmt::print("best: test accuracy {:.4f}, 95 % interval {:.4f} to {:.4f}\n",
             best["test_accuracy"].get<double>(), best["test_low"].get<double>(),
             best["test_high"].get<double>());
  for (const UniformPolicy& policy : uniform) {
    fmt::print("{:<6} cost_ratio {:.3f}, test accuracy {:.4f}\n", policy.name, policy.cost_ratio,
               policy.accuracy);
  }
  fs::remove_all(cache);
  return all_reached ? 0 : 1;
}
