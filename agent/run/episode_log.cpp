#include "agent/run/episode_log.h"

#include <fmt/format.h>

#include <charconv>
#include <sstream>

#include "host/base/error.h"

namespace bitloop::agent {
namespace {

constexpr const char* kHeader = "episode,policy,accuracy,loss,cycles,cost_ratio,reward,seconds,remembered\n";
constexpr std::size_t kColumns = 9;

/// Numbers are written so that reading gives the same bits.
std::string to_row(const Episode& episode) {
  const Outcome& o = episode.outcome;
  return fmt::format("{},{},{},{},{},{},{},{:.3f},{}\n", episode.number, episode.policy.key(), o.accuracy,
                     o.loss, o.cycles, o.cost_ratio, episode.reward, o.seconds, o.remembered ? 1 : 0);
}

template <typename Number>
bool read_number(const std::string& text, Number& number) {
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
  return result.ec == std::errc{} && result.ptr == text.data() + text.size();
}

/// Reads "8:8 4:4 2:1" (weight:input bits per layer), the text of Policy::key.
bool read_policy(const std::string& key, const host::Network& network, host::Policy& policy) {
  policy.network = network.name;
  std::istringstream words(key);
  for (const host::Layer* layer : network.weight_layers()) {
    std::string word;
    if (!(words >> word)) return false;
    const auto colon = word.find(':');
    host::LayerBits bits{.name = layer->name};
    if (colon == std::string::npos || !read_number(word.substr(0, colon), bits.weight_bits) ||
        !read_number(word.substr(colon + 1), bits.input_bits)) {
      return false;
    }
    policy.layers.push_back(bits);
  }
  return policy.key() == key;
}

bool read_row(const std::string& line, const host::Network& network, Episode& episode) {
  std::vector<std::string> cells;
  std::istringstream stream(line);
  for (std::string cell; std::getline(stream, cell, ',');) cells.push_back(cell);
  if (cells.size() != kColumns) return false;
  Outcome& o = episode.outcome;
  o.remembered = cells[8] == "1";
  return read_number(cells[0], episode.number) && read_policy(cells[1], network, episode.policy) &&
         read_number(cells[2], o.accuracy) && read_number(cells[3], o.loss) &&
         read_number(cells[4], o.cycles) && read_number(cells[5], o.cost_ratio) &&
         read_number(cells[6], episode.reward) && read_number(cells[7], o.seconds);
}

}  // namespace

EpisodeLog::EpisodeLog(const std::filesystem::path& path, const host::Network& network)
    : path_(path), file_(path) {
  std::istringstream content(read_file(path));
  std::string line;
  if (!std::getline(content, line)) {
    file_.append(kHeader);
    return;
  }
  if (line + '\n' != kHeader) {
    throw InputError(
        fmt::format("{} is no list of episodes of this version: choose another --out", path.string()));
  }
  while (std::getline(content, line)) {
    Episode episode;
    if (!read_row(line, network, episode) || episode.number != static_cast<int>(recorded_.size()) + 1) {
      throw InputError(fmt::format("{} row {} is no episode of {}: restore the file or choose another --out",
                                   path.string(), recorded_.size() + 1, network.name));
    }
    recorded_.push_back(episode);
  }
}

void EpisodeLog::append(std::span<const Episode> episodes) {
  std::string rows;
  for (const Episode& episode : episodes) {
    if (episode.number > static_cast<int>(recorded_.size())) {
      rows += to_row(episode);
      continue;
    }
    const Episode& before = recorded_[episode.number - 1];
    if (before.policy != episode.policy || before.reward != episode.reward ||
        before.outcome.remembered != episode.outcome.remembered) {
      throw Error(fmt::format(
          "{} episode {} cannot be repeated (policy '{}' became '{}'): the run was made by another "
          "version or machine; start a new one",
          path_.string(), episode.number, before.policy.key(), episode.policy.key()));
    }
  }
  if (!rows.empty()) file_.append(rows);
}

}  // namespace bitloop::agent
