// The demo search against its targets (issue 2): at least 60 evaluated policies in at most 4 minutes on 2 cores, the
// best policy within the budget, and no uniform policy within it clearly more accurate on the test split.
// usage: demo_search [BITLOOP [FOLDER]]; prints each figure and exits with 1 where one misses.

#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

namespace {

bool all_reached = true;

void report(const char* what, const std::string& figure, const char* target, bool reached) {
  fmt::print("{:<58} {:>24}   target {:<22} {}\n", what, figure, target, reached ? "reached" : "MISSED");
  all_reached = all_reached && reached;
}

}  // namespace

int main(int argc, char** argv) {
  namespace fs = std::filesystem;
  const fs::path self = fs::read_symlink("/proc/self/exe");
  const std::string bitloop = argc > 1 ? argv[1] : (self.parent_path() / "bitloop").string();
  const fs::path folder = argc > 2 ? fs::path(argv[2]) : fs::temp_directory_path() / "bitloop_demo_search";
  fs::remove_all(folder);
  const std::string command = fmt::format("'{}' search --budget 0.6 --episodes 60 --out '{}'", bitloop, folder.string());
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
  for (const auto& name : summary["more_accurate_within_budget"]) better += name.get<std::string>() + " ";

  fmt::print("\n");
  report("demo search, whole command", fmt::format("{:.0f} s", seconds), "<= 240 s", seconds <= 240);
  report("policies evaluated by the method", std::to_string(evaluations), ">= 60", evaluations >= 60);
  report("cost_ratio of the best policy", fmt::format("{:.3f}", ratio), "<= 0.6", ratio <= 0.6);
  report("uniform lines clearly more accurate within the budget", better.empty() ? "none" : better, "none",
         better.empty());
  fmt::print("best: test accuracy {:.4f}, 95 % interval {:.4f} to {:.4f}\n", best["test_accuracy"].get<double>(),
             best["test_low"].get<double>(), best["test_high"].get<double>());
  for (const auto& line : summary["lines"]) {
    fmt::print("{:<8} cost_ratio {:.3f}, test accuracy {:.4f}, 95 % interval {:.4f} to {:.4f}\n",
               line["line"].get<std::string>(), line["cost_ratio"].get<double>(),
               line["test_accuracy"].get<double>(), line["test_low"].get<double>(), line["test_high"].get<double>());
  }
  return all_reached ? 0 : 1;
}
