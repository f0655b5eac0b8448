#include "agent/run/episode_log.h"

#include <fmt/format.h>

#include <charconv>
#include <sstream>

#include "host/base/error.h"

namespace bitloop::agent {
namespace {

constexpr const char* kHeader =
    "episode,policy,accuracy,loss,cycles,cost_ratio,reward,seconds,remembered,joules,bytes,spent\n";
constexpr std::size_t kColumns = 12;

/// Numbers are written so that reading gives the same bits.
std::string to_row(const Episode& e) {
  return fmt::format("{},{},{},{},{:.0f},{},{},{:.3f},{},{},{},{}\n", e.number, e.policy, e.accuracy, e.loss,
                     e.costs.cycles(), e.cost_ratio, e.reward, e.seconds, e.remembered ? 1 : 0,
                     e.costs[search::Measure::energy], e.costs[search::Measure::bytes], e.spent);
}

template <typename Number>
bool read_number(const std::string& text, Number& number) {
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
  return result.ec == std::errc{} && result.ptr == text.data() + text.size();
}

bool read_row(const std::string& line, Episode& e) {
  std::vector<std::string> cells;
  std::istringstream stream(line);
  for (std::string cell; std::getline(stream, cell, ',');) cells.push_back(cell);
  if (cells.size() != kColumns) return false;
  e.policy = cells[1];
  e.remembered = cells[8] == "1";
  return read_number(cells[0], e.number) && !e.policy.empty() && read_number(cells[2], e.accuracy) &&
         read_number(cells[3], e.loss) && read_number(cells[4], e.costs[search::Measure::cycles]) &&
         read_number(cells[5], e.cost_ratio) && read_number(cells[6], e.reward) &&
         read_number(cells[7], e.seconds) && read_number(cells[9], e.costs[search::Measure::energy]) &&
         read_number(cells[10], e.costs[search::Measure::bytes]) && read_number(cells[11], e.spent);
}

}  // namespace

std::vector<Episode> read_episodes(const std::filesystem::path& path) {
  const std::string content = read_file(path);
  std::istringstream lines(content.substr(0, content.rfind('\n') + 1));
  std::vector<Episode> episodes;
  std::string line;
  if (!std::getline(lines, line)) return episodes;
  if (line + '\n' != kHeader) {
    throw InputError(
        fmt::format("{} is no list of episodes of this version: choose another run", path.string()));
  }
  while (std::getline(lines, line)) {
    Episode episode;
    if (!read_row(line, episode) || episode.number != static_cast<int>(episodes.size()) + 1) {
      throw InputError(fmt::format("{} row {} is no episode: restore the file or choose another run",
                                   path.string(), episodes.size() + 1));
    }
    episodes.push_back(episode);
  }
  return episodes;
}

EpisodeLog::EpisodeLog(const std::filesystem::path& path)
    : path_(path), file_(path), recorded_(read_episodes(path)) {
  if (std::filesystem::file_size(path) == 0) file_.append(kHeader);
}

void EpisodeLog::append(std::span<const Episode> episodes) {
  std::string rows;
  for (const Episode& episode : episodes) {
    if (episode.number > static_cast<int>(recorded_.size())) {
      rows += to_row(episode);
      continue;
    }
    const Episode& before = recorded_[static_cast<std::size_t>(episode.number) - 1];
    if (before.policy != episode.policy || before.accuracy != episode.accuracy ||
        before.costs.cycles() != episode.costs.cycles() || before.reward != episode.reward ||
        before.remembered != episode.remembered) {
      throw Error(fmt::format(
          "{} episode {} cannot be repeated (policy '{}' became '{}'): the run was made by another "
          "version or machine; start a new one",
          path_.string(), episode.number, before.policy, episode.policy));
    }
  }
  if (!rows.empty()) file_.append(rows);
}

}  // namespace bitloop::agent
