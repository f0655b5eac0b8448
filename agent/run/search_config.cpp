#include "agent/run/search_config.h"

#include <fmt/format.h>

#include <toml++/toml.h>
#include <limits>
#include <sstream>

#include "agent/run/files.h"
#include "host/base/atomic_file.h"
#include "host/base/error.h"

namespace bitloop::agent {
namespace {

toml::array to_array(const std::vector<std::string>& words) {
  toml::array array;
  for (const auto& word : words) array.push_back(word);
  return array;
}

toml::table to_table(const quant::Retraining& retraining) {
  return toml::table{{"epochs", retraining.epochs},
                     {"images", retraining.images},
                     {"learning_rate", retraining.learning_rate},
                     {"batch", retraining.batch},
                     {"seed", static_cast<std::int64_t>(retraining.seed)},
                     {"quantizer", retraining.quantizer},
                     {"clipping", retraining.clipping},
                     {"optimizer", retraining.optimizer},
                     {"distillation", retraining.distillation},
                     {"augment", retraining.augment},
                     {"patience", retraining.patience}};
}

toml::array to_array(const std::vector<float>& numbers) {
  toml::array array;
  for (const float number : numbers) array.push_back(static_cast<double>(number));
  return array;
}

toml::table to_table(const TaskSpec& task) {
  toml::table table{{"model", task.model},
                    {"data", task.data},
                    {"mean", to_array(task.mean)},
                    {"deviation", to_array(task.deviation)},
                    {"class_names", task.class_names},
                    {"reward_from_test", task.reward_from_test},
                    {"augmentation", task.augmentation},
                    {"checkpoint", task.checkpoint},
                    {"float_epochs", task.float_epochs}};
  if (!task.outputs.empty()) table.insert("outputs", to_array(task.outputs));
  if (task.input)
    table.insert("input", toml::array{task.input->channels, task.input->height, task.input->width});
  return table;
}

/// Reads values of a table; a missing one, or one of another type, is an error that names it.
class Reader {
 public:
  Reader(const toml::table& table, std::string file) : table_(table), file_(std::move(file)) {}

  template <typename T>
  void read(std::string_view section, std::string_view name, T& target) const {
    if constexpr (std::is_same_v<T, std::vector<std::string>>) {
      const toml::array* array = table_[section][name].as_array();
      if (array == nullptr) fail(section, name);
      target.clear();
      for (const auto& element : *array) target.push_back(element.value_or(std::string{}));
    } else if constexpr (std::is_same_v<T, std::vector<float>>) {
      const toml::array* array = table_[section][name].as_array();
      if (array == nullptr) fail(section, name);
      target.clear();
      for (const auto& element : *array) target.push_back(static_cast<float>(element.value_or(0.0)));
    } else {
      const auto value = table_[section][name].value<T>();
      if (!value) fail(section, name);
      target = *value;
    }
  }
  void read(std::string_view section, std::string_view name, std::uint64_t& target) const {
    std::int64_t value = 0;
    read(section, name, value);
    target = static_cast<std::uint64_t>(value);
  }
  void read(std::string_view section, quant::Retraining& target) const {
    read(section, "epochs", target.epochs);
    read(section, "images", target.images);
    read(section, "learning_rate", target.learning_rate);
    read(section, "batch", target.batch);
    read(section, "seed", target.seed);
    read(section, "quantizer", target.quantizer);
    read(section, "clipping", target.clipping);
    read(section, "optimizer", target.optimizer);
    read(section, "distillation", target.distillation);
    read(section, "augment", target.augment);
    read(section, "patience", target.patience);
  }
  void read(std::string_view section, TaskSpec& target) const {
    read(section, "model", target.model);
    read(section, "data", target.data);
    read(section, "mean", target.mean);
    read(section, "deviation", target.deviation);
    if (table_[section]["class_names"]) read(section, "class_names", target.class_names);
    read(section, "reward_from_test", target.reward_from_test);
    read(section, "augmentation", target.augmentation);
    read(section, "checkpoint", target.checkpoint);
    read(section, "float_epochs", target.float_epochs);
    if (table_[section]["outputs"]) read(section, "outputs", target.outputs);
    if (!table_[section]["input"]) return;
    std::vector<float> sides;
    read(section, "input", sides);
    if (sides.size() != 3) fail(section, "input");
    target.input =
        host::Shape{static_cast<int>(sides[0]), static_cast<int>(sides[1]), static_cast<int>(sides[2])};
  }

 private:
  [[noreturn]] void fail(std::string_view section, std::string_view name) const {
    throw InputError(fmt::format("{}: [{}] {} is missing or wrong: restore the file or start a new run",
                                 file_, section, name));
  }

  const toml::table& table_;
  std::string file_;
};

}  // namespace

void save_config(const SearchConfig& c, const std::filesystem::path& path) {
  toml::table reward{{"objective", c.objective}, {"cost_in_reward", c.cost_in_reward}};
  if (c.accuracy_limit) reward.insert("accuracy_limit", *c.accuracy_limit);
  const toml::table table{
      {"run", toml::table{{"version", c.version}, {"fingerprint", c.fingerprint}}},
      {"task", to_table(c.task)},
      {"device",
       toml::table{
           {"device", c.device}, {"insecure", c.insecure}, {"hardware", c.hardware}, {"memory", c.memory}}},
      {"search", toml::table{{"method", c.method},
                             {"budget", c.budget},
                             {"episodes", c.episodes},
                             {"seed", static_cast<std::int64_t>(c.seed)},
                             {"batch", c.batch},
                             {"lines", to_array(c.lines)},
                             {"tied_pairs", c.tied_pairs},
                             {"pinned", to_array(c.pinned)}}},
      {"reward", reward},
      {"retraining", to_table(c.retraining)},
      {"final_retraining", to_table(c.final_retraining)}};
  std::ostringstream text;
  text << "# A run of `bitloop search`; goes on with: bitloop search --resume --out FOLDER\n"
       << table << '\n';
  host::write_file_atomically(path, text.str());
}

SearchConfig load_config(const std::filesystem::path& path) {
  toml::table table;
  try {
    table = toml::parse(read_file(path));
  } catch (const toml::parse_error& e) {
    throw InputError(fmt::format("{} line {}: {}: restore the file or start a new run", path.string(),
                                 e.source().begin.line, e.description()));
  }
  const Reader reader(table, path.string());
  SearchConfig c;
  reader.read("run", "version", c.version);
  reader.read("run", "fingerprint", c.fingerprint);
  reader.read("task", c.task);
  reader.read("search", "budget", c.budget);
  reader.read("device", "device", c.device);
  if (table["device"]["insecure"]) reader.read("device", "insecure", c.insecure);
  reader.read("device", "hardware", c.hardware);
  reader.read("device", "memory", c.memory);
  reader.read("search", "method", c.method);
  reader.read("search", "episodes", c.episodes);
  reader.read("search", "seed", c.seed);
  reader.read("search", "batch", c.batch);
  reader.read("search", "lines", c.lines);
  reader.read("search", "tied_pairs", c.tied_pairs);
  reader.read("search", "pinned", c.pinned);
  reader.read("reward", "objective", c.objective);
  reader.read("reward", "cost_in_reward", c.cost_in_reward);
  if (table["reward"]["accuracy_limit"]) reader.read("reward", "accuracy_limit", c.accuracy_limit.emplace());
  reader.read("retraining", c.retraining);
  reader.read("final_retraining", c.final_retraining);
  return c;
}

}  // namespace bitloop::agent
