#include "agent/run/lines.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "agent/environment/reward.h"
#include "agent/run/episodes.h"
#include "agent/searchers/uniform_lines.h"

namespace bitloop::agent {

bool asks_for(const SearchConfig& config, const std::string& line) {
  return std::find(config.lines.begin(), config.lines.end(), line) != config.lines.end();
}

std::vector<Episode> run_uniform_lines(const Stage& stage, const std::filesystem::path& log_file) {
  const auto& [config, network, data, evaluator, observer] = stage;
  std::vector<host::Policy> policies;
  for (const NamedPolicy& line : uniform_lines(network)) policies.push_back(line.policy);
  if (!asks_for(config, "uniform")) policies.resize(1);
  UniformLines searcher(policies, static_cast<int>(policies.size()));
  EpisodeLog log(log_file, network);
  Reward reward{.cost_counts = config.cost_in_reward, .accuracy_limit = config.accuracy_limit};
  bool first = true;
  const std::size_t images = data.reward.size();
  const Judge judge = [&](const host::Policy&, const Outcome& outcome) {
    if (std::exchange(first, false)) {
      reward.accuracy_origin = outcome.accuracy;
      reward.largest = largest_reward(outcome.accuracy, images);
    }
    return reward(outcome.accuracy, outcome.cost_ratio);
  };
  observer("uniform lines", 0, "");
  const auto episodes = run_episodes(searcher, evaluator, judge, static_cast<int>(policies.size()), log);
  observer("uniform lines", 1,
           fmt::format("w8a8 {:.4f} on the reward split", episodes.front().outcome.accuracy));
  return episodes;
}

}  // namespace bitloop::agent
