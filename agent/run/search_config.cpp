#include "agent/run/search_config.h"

#include <fmt/format.h>

#include <toml++/toml.h>
#include <sstream>
#include <type_traits>

#include "agent/run/files.h"
#include "host/base/atomic_file.h"
#include "host/base/error.h"

namespace bitloop::agent {
namespace {

namespace fs = std::filesystem;

/// Every field by its table and name: the one list for writing and reading.
template <typename Fields>
void describe(Fields& of, quant::Retraining& r, std::string_view table) {
  of(table, "epochs", r.epochs);
  of(table, "images", r.images);
  of(table, "learning_rate", r.learning_rate);
  of.later(table, "learning_rate_decay", r.learning_rate_decay);
  of(table, "batch", r.batch);
  of(table, "seed", r.seed);
  of(table, "quantizer", r.quantizer);
  of(table, "clipping", r.clipping);
  of(table, "optimizer", r.optimizer);
  of(table, "distillation", r.distillation);
  of(table, "augment", r.augment);
  of(table, "patience", r.patience);
  of(table, "calibration_images", r.calibration_images);
}

template <typename Fields>
void describe(Fields& of, SearchConfig& c) {
  of("run", "version", c.version);
  of("run", "fingerprint", c.fingerprint);
  of("run", "source", c.source);
  of("task", "model", c.task.model);
  of("task", "data", c.task.data);
  of("task", "input", c.task.input);
  of("task", "outputs", c.task.outputs);
  of("task", "mean", c.task.mean);
  of("task", "deviation", c.task.deviation);
  of("task", "class_names", c.task.class_names);
  of("task", "reward_from_test", c.task.reward_from_test);
  of("task", "augmentation", c.task.augmentation);
  of("task", "checkpoint", c.task.checkpoint);
  of("task", "float_epochs", c.task.float_epochs);
  of("device", "device", c.device);
  of("device", "insecure", c.insecure);
  of("device", "hardware", c.hardware);
  of.later("device", "chooses_hardware", c.chooses_hardware);
  of.later("device", "chip", c.chip);
  of("device", "memory", c.memory);
  of("space", "rules", c.space.rules);
  of("space", "group", c.space.group);
  of("space", "widths", c.space.widths);
  of("space", "pinned", c.space.pinned);
  of("search", "method", c.method);
  of("search", "budget", c.budget);
  of("search", "budget_of", c.budget_of);
  of("search", "evaluations", c.evaluations);
  of("search", "planned", c.planned);
  of("search", "episodes", c.episodes);
  of("search", "seed", c.seed);
  of("search", "batch", c.batch);
  of("search", "lines", c.lines);
  of.later("search", "sensitivities", c.sensitivities);
  of("objective", "goal", c.objective);
  of("objective", "accuracy_floor", c.accuracy_floor);
  of("objective", "drop", c.drop);
  of("reward", "cost_in_reward", c.cost_in_reward);
  of("reward", "accuracy_limit", c.accuracy_limit);
  of("evaluation", "reward_images", c.reward_images);
  describe(of, c.retraining, "retraining");
  describe(of, c.final_retraining, "final_retraining");
}

class Writer {
 public:
  template <typename T>
  void operator()(std::string_view table, std::string_view name, const T& value) {
    if constexpr (std::is_same_v<T, std::uint64_t>) {
      put(table, name, static_cast<std::int64_t>(value));
    } else {
      put(table, name, value);
    }
  }
  template <typename T>
  void operator()(std::string_view table, std::string_view name, const std::vector<T>& values) {
    toml::array array;
    for (const T& value : values) {
      if constexpr (std::is_same_v<T, float>) {
        array.push_back(static_cast<double>(value));
      } else {
        array.push_back(value);
      }
    }
    put(table, name, std::move(array));
  }
  template <typename T>
  void operator()(std::string_view table, std::string_view name, const std::optional<T>& value) {
    if (value) (*this)(table, name, *value);
  }
  void operator()(std::string_view table, std::string_view name, const host::Shape& shape) {
    put(table, name, toml::array{shape.channels, shape.height, shape.width});
  }
  template <typename T>
  void later(std::string_view table, std::string_view name, const T& value) {
    (*this)(table, name, value);
  }
  [[nodiscard]] const toml::table& table() const { return table_; }

 private:
  template <typename T>
  void put(std::string_view table, std::string_view name, T&& value) {
    const auto [entry, added] = table_.insert(table, toml::table{});
    entry->second.as_table()->insert(name, std::forward<T>(value));
  }
  toml::table table_;
};

/// A missing value, or one of another type, is an error that names it.
class Reader {
 public:
  Reader(const toml::table& table, std::string file) : table_(table), file_(std::move(file)) {}

  template <typename T>
  void operator()(std::string_view table, std::string_view name, T& target) const {
    const auto value = table_[table][name].value<T>();
    if (!value) fail(table, name);
    target = *value;
  }
  void operator()(std::string_view table, std::string_view name, std::uint64_t& target) const {
    std::int64_t value = 0;
    (*this)(table, name, value);
    target = static_cast<std::uint64_t>(value);
  }
  template <typename T>
  void operator()(std::string_view table, std::string_view name, std::vector<T>& target) const {
    const toml::array* array = table_[table][name].as_array();
    if (array == nullptr) fail(table, name);
    target.clear();
    for (const auto& element : *array) {
      using Stored = std::conditional_t<std::is_same_v<T, float>, double, T>;
      const auto value = element.template value<Stored>();
      if (!value) fail(table, name);
      target.push_back(static_cast<T>(*value));
    }
  }
  template <typename T>
  void operator()(std::string_view table, std::string_view name, std::optional<T>& target) const {
    if (!table_[table][name]) return;
    (*this)(table, name, target.emplace());
  }
  /// What files of earlier versions lack keeps its default.
  template <typename T>
  void later(std::string_view table, std::string_view name, T& target) const {
    if (table_[table][name]) (*this)(table, name, target);
  }
  void operator()(std::string_view table, std::string_view name, host::Shape& target) const {
    std::vector<int> sides;
    (*this)(table, name, sides);
    if (sides.size() != 3) fail(table, name);
    target = {sides[0], sides[1], sides[2]};
  }

 private:
  [[noreturn]] void fail(std::string_view table, std::string_view name) const {
    throw InputError(fmt::format("{}: [{}] {} is missing or wrong: restore the file or start a new run",
                                 file_, table, name));
  }
  const toml::table& table_;
  std::string file_;
};

}  // namespace

void save_config(const SearchConfig& config, const std::filesystem::path& path) {
  const fs::path folder = fs::absolute(path).lexically_normal().parent_path();
  SearchConfig stored = config;
  for (std::string* file : {&stored.task.model, &stored.task.class_names}) {
    if (!fs::path(*file).has_parent_path()) continue;  // nothing, or a name of the zoo
    const fs::path inside = fs::absolute(*file).lexically_normal().lexically_relative(folder);
    if (*inside.begin() != "..") *file = inside.string();
  }
  Writer writer;
  describe(writer, stored);
  std::ostringstream text;
  text << "# A run of `bitloop search`; goes on with: bitloop search --resume --out FOLDER\n"
       << writer.table() << '\n';
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
  SearchConfig config;
  const Reader reader(table, path.string());
  describe(reader, config);
  for (std::string* file : {&config.task.model, &config.task.class_names}) {
    const bool inside = fs::path(*file).has_parent_path() && fs::path(*file).is_relative();
    if (inside) *file = fs::absolute(path.parent_path() / *file).lexically_normal().string();
  }
  return config;
}

}  // namespace bitloop::agent
