#include "agent/run/method.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/run/episodes.h"
#include "host/base/atomic_file.h"

namespace bitloop::agent {
namespace {

/// The random line must not draw the searcher's own first policies.
constexpr std::uint64_t kRandomLineSeed = 0x9e3779b97f4a7c15;

}  // namespace

std::vector<Episode> run_method(const Stage& stage, const std::string& method, const Environment& environment,
                                const std::filesystem::path& log_file,
                                const std::filesystem::path& best_policy) {
  const SearchConfig& config = stage.config;
  const bool is_line = best_policy.empty();
  const auto searcher = make_searcher(method, environment,
                                      {.evaluations = config.episodes,
                                       .batch = config.batch,
                                       .seed = is_line ? config.seed ^ kRandomLineSeed : config.seed});
  EpisodeLog log(log_file, stage.network);
  const std::string title = is_line ? method + " line" : method;
  std::string written;
  stage.observer(title, 0, "");
  const auto judge = [&](const host::Policy& policy, const Outcome& outcome) {
    return environment.judge(policy, outcome);
  };
  return run_episodes(*searcher, stage.evaluator, judge, config.episodes, log,
                      [&](int evaluations, const std::vector<Episode>& episodes) {
                        const Episode& best = *std::min_element(episodes.begin(), episodes.end(), is_better);
                        if (!is_line && best.policy.key() != written) {
                          host::write_file_atomically(best_policy, host::to_json(best.policy).dump(2) + "\n");
                          written = best.policy.key();
                        }
                        stage.observer(
                            title, static_cast<double>(evaluations) / config.episodes,
                            fmt::format("{}/{} best {:.4f} at {:.3f} ({})", evaluations, config.episodes,
                                        best.outcome.accuracy, best.outcome.cost_ratio, best.policy.key()));
                      });
}

}  // namespace bitloop::agent
