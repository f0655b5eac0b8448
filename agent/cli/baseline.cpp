#include "agent/cli/baseline.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "host/base/atomic_file.h"
#include "host/base/error.h"

namespace bitloop::cli {
namespace {

using nlohmann::ordered_json;

constexpr int kVersion = 1;
constexpr std::size_t kMostBytes = std::size_t{64} << 20;
constexpr std::size_t kMostEntries = 10'000;
constexpr std::size_t kMostLayers = 100'000;  ///< of an entry
constexpr std::size_t kMostText = 4096;

/// Reads one entry; whatever is wrong is told with its place.
class EntryReader {
 public:
  EntryReader(const nlohmann::json& json, std::string where) : json_(json), where_(std::move(where)) {
    if (!json.is_object()) fail("is no object");
  }

  [[nodiscard]] std::string text(const char* name, bool required) const {
    const auto found = json_.find(name);
    if (found == json_.end() && !required) return "";
    if (found == json_.end() || !found->is_string()) fail(fmt::format("has no text \"{}\"", name));
    const auto& value = found->get_ref<const std::string&>();
    const bool printable = std::none_of(value.begin(), value.end(), [](unsigned char c) { return c < ' '; });
    if (value.size() > kMostText || !printable || (required && value.empty())) {
      fail(fmt::format("\"{}\" is empty, too long or holds control characters", name));
    }
    return value;
  }

  [[nodiscard]] host::Cycles cycles(const char* name) const {
    const auto found = json_.find(name);
    if (found == json_.end() || !found->is_number_unsigned()) {
      fail(fmt::format("has no whole number \"{}\"", name));
    }
    return found->get<host::Cycles>();
  }

  [[nodiscard]] const nlohmann::json& array(const char* name, std::size_t most) const {
    const auto found = json_.find(name);
    if (found == json_.end() || !found->is_array()) fail(fmt::format("has no array \"{}\"", name));
    if (found->size() > most) fail(fmt::format("\"{}\" has more than {} elements", name, most));
    return *found;
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw InputError(fmt::format(
        "{} {}: restore the file, or remove it and make it anew with bitloop check --update", where_, what));
  }

 private:
  const nlohmann::json& json_;
  std::string where_;
};

BaselineEntry read_entry(const nlohmann::json& json, const std::string& where) {
  const EntryReader reader(json, where);
  BaselineEntry entry;
  Workload& work = entry.workload;
  work = {.model = reader.text("model", false),
          .layer = reader.text("layer", false),
          .input = reader.text("input", false),
          .policy = reader.text("policy", true),
          .pin = reader.text("pin", false),
          .hardware = reader.text("hardware", true),
          .memory = reader.text("memory", true)};
  if (work.model.empty() == work.layer.empty()) reader.fail("needs either \"model\" or \"layer\"");
  if (!work.layer.empty() && !work.input.empty()) reader.fail("has an \"input\" beside its \"layer\"");
  entry.fingerprint = reader.text("fingerprint", true);
  entry.total = reader.cycles("total");
  std::set<std::string> names;
  for (const nlohmann::json& layer : reader.array("layers", kMostLayers)) {
    const EntryReader layer_reader(layer, fmt::format("{}: layer {}", where, entry.layers.size() + 1));
    entry.layers.push_back({layer_reader.text("name", true), layer_reader.cycles("cycles")});
    if (!names.insert(entry.layers.back().name).second) layer_reader.fail("has the name of another one");
  }
  return entry;
}

std::string read_bounded(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file || std::filesystem::is_directory(path)) {
    throw InputError(
        fmt::format("baseline {} cannot be read: make it with bitloop check --baseline {} --update --model "
                    "lenet --policy w8a8",
                    path.string(), path.string()));
  }
  std::string text(kMostBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kMostBytes) {
    throw InputError(
        fmt::format("baseline {} has more than {} bytes: name another file", path.string(), kMostBytes));
  }
  return text;
}

std::optional<host::Cycles> cycles_of(const BaselineEntry& entry, const std::string& layer) {
  const auto found = std::find_if(entry.layers.begin(), entry.layers.end(),
                                  [&](const BaselineEntry::Layer& l) { return l.name == layer; });
  if (found == entry.layers.end()) return std::nullopt;
  return found->cycles;
}

}  // namespace

std::string Workload::title() const {
  std::string text = model.empty() ? layer : model;
  if (!input.empty()) text += " " + input;
  text += " " + policy;
  if (!pin.empty()) text += " pin " + pin;
  return text + " on " + hardware + ", " + memory;
}

BaselineEntry make_entry(const Workload& workload, const host::HardwareInfo& hardware,
                         const host::Network& network, const host::MeasuredNetwork& measured) {
  BaselineEntry entry{workload, hardware.fingerprint, measured.cycles(), {}};
  entry.workload.hardware = hardware.name;
  entry.workload.memory = hardware.memory;
  const auto names = host::segment_names(network, measured.segments);
  for (std::size_t i = 0; i < names.size(); ++i) entry.layers.push_back({names[i], measured.counters[i][0]});
  return entry;
}

std::vector<BaselineEntry> load_baseline(const std::filesystem::path& path) {
  const auto json = nlohmann::json::parse(read_bounded(path), nullptr, /*allow_exceptions=*/false);
  const EntryReader file(json, fmt::format("baseline {}", path.string()));
  if (file.cycles("version") != kVersion) {
    file.fail(fmt::format("has version {}, and this program reads {}", file.cycles("version"), kVersion));
  }
  std::vector<BaselineEntry> entries;
  for (const nlohmann::json& entry : file.array("entries", kMostEntries)) {
    const std::string where = fmt::format("baseline {}: entry {}", path.string(), entries.size() + 1);
    entries.push_back(read_entry(entry, where));
    for (std::size_t i = 0; i + 1 < entries.size(); ++i) {
      if (entries[i].workload != entries.back().workload) continue;
      EntryReader(entry, where).fail(fmt::format("measures what entry {} does", i + 1));
    }
  }
  return entries;
}

void save_baseline(const std::vector<BaselineEntry>& entries, const std::filesystem::path& path) {
  ordered_json json{{"version", kVersion}, {"entries", ordered_json::array()}};
  for (const BaselineEntry& entry : entries) {
    const Workload& work = entry.workload;
    ordered_json e;
    if (!work.model.empty()) e["model"] = work.model;
    if (!work.layer.empty()) e["layer"] = work.layer;
    if (!work.input.empty()) e["input"] = work.input;
    e["policy"] = work.policy;
    if (!work.pin.empty()) e["pin"] = work.pin;
    e["hardware"] = work.hardware;
    e["memory"] = work.memory;
    e["fingerprint"] = entry.fingerprint;
    e["total"] = entry.total;
    e["layers"] = ordered_json::array();
    for (const auto& layer : entry.layers) {
      e["layers"].push_back({{"name", layer.name}, {"cycles", layer.cycles}});
    }
    json["entries"].push_back(std::move(e));
  }
  host::write_file_atomically(path, json.dump(1) + "\n");
}

const char* Difference::kind() const {
  if (!before) return "new";
  if (!now) return "missing";
  return *now > *before ? "slower" : "faster";
}

std::optional<double> Difference::change() const {
  if (!before || !now || *before == 0) return std::nullopt;
  return 100 * (static_cast<double>(*now) / static_cast<double>(*before) - 1);
}

std::vector<Difference> differences(const BaselineEntry& before, const BaselineEntry& now, double tolerance) {
  std::vector<Difference> result;
  const auto compare = [&](const std::string& layer, std::optional<host::Cycles> a,
                           std::optional<host::Cycles> b) {
    if (a && b) {
      const auto apart = static_cast<double>(*a > *b ? *a - *b : *b - *a);
      if (apart <= static_cast<double>(*a) * tolerance / 100) return;
    }
    result.push_back({before.workload.title(), layer, a, b});
  };
  compare("total", before.total, now.total);
  for (const auto& layer : before.layers) compare(layer.name, layer.cycles, cycles_of(now, layer.name));
  for (const auto& layer : now.layers) {
    if (!cycles_of(before, layer.name)) compare(layer.name, std::nullopt, layer.cycles);
  }
  return result;
}

}  // namespace bitloop::cli
