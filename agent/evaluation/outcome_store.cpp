#include "agent/evaluation/outcome_store.h"

#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "host/measurement/measurement_store.h"

namespace bitloop::agent {
namespace {

constexpr int kVersion = 1;
constexpr int kPatience = 10'000;  ///< milliseconds that another process may hold the file

std::string to_text(const OutcomeStore::Entry& entry) {
  nlohmann::json json = nlohmann::json::array();
  for (const search::Fold& fold : entry.folds) json.push_back({fold.images, fold.correct, fold.loss});
  return json.dump();
}

/// Throws where the text is no list of folds.
std::vector<search::Fold> folds_from(const std::string& text) {
  std::vector<search::Fold> folds;
  for (const auto& fold : nlohmann::json::parse(text)) folds.push_back({fold.at(0), fold.at(1), fold.at(2)});
  return folds;
}

}  // namespace

class OutcomeStore::File {
 public:
  explicit File(const std::filesystem::path& path)
      : database_(path.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE, kPatience) {
    database_.exec("PRAGMA journal_mode=WAL");
    const int version = database_.execAndGet("PRAGMA user_version").getInt();
    if (version != 0 && version != kVersion)
      throw SQLite::Exception(fmt::format("it is of version {}, this program writes {}", version, kVersion));
    database_.exec(
        "CREATE TABLE IF NOT EXISTS outcomes(key TEXT PRIMARY KEY, folds TEXT NOT NULL, seconds REAL NOT "
        "NULL)");
    database_.exec(fmt::format("PRAGMA user_version={}", kVersion));
  }

  std::optional<Entry> find(const std::string& key) {
    SQLite::Statement query(database_, "SELECT folds, seconds FROM outcomes WHERE key=?");
    query.bind(1, key);
    if (!query.executeStep()) return std::nullopt;
    return Entry{folds_from(query.getColumn(0).getString()), query.getColumn(1).getDouble()};
  }

  void add(const std::string& key, const Entry& entry) {
    SQLite::Statement insert(database_, "INSERT OR IGNORE INTO outcomes VALUES(?,?,?)");
    insert.bind(1, key);
    insert.bind(2, to_text(entry));
    insert.bind(3, entry.seconds);
    insert.exec();
  }

 private:
  SQLite::Database database_;
};

OutcomeStore::OutcomeStore(const std::filesystem::path& path, Warn warn, std::shared_ptr<OutcomeStore> behind)
    : warn_(std::move(warn)), behind_(std::move(behind)) {
  if (path.empty()) return;
  try {
    std::filesystem::create_directories(path.parent_path());
    file_ = std::make_unique<File>(path);
  } catch (const std::exception& error) {
    go_without(fmt::format("{}: {}", path.string(), error.what()));
  }
}

OutcomeStore::~OutcomeStore() = default;

void OutcomeStore::go_without(const std::string& why) {
  file_.reset();
  if (warn_)
    warn_(
        fmt::format("outcomes are remembered by this process only ({}): remove that file, or mend it", why));
}

std::optional<OutcomeStore::Entry> OutcomeStore::find(const std::string& key) {
  auto known = find_here(key);
  if (known || !behind_) return known;
  known = behind_->find(key);
  if (known) add_here(key, *known);
  return known;
}

void OutcomeStore::add(const std::string& key, const Entry& entry) {
  add_here(key, entry);
  if (behind_) behind_->add(key, entry);
}

std::optional<OutcomeStore::Entry> OutcomeStore::find_here(const std::string& key) {
  const std::lock_guard lock(mutex_);
  if (const auto known = known_.find(key); known != known_.end()) return known->second;
  if (!file_) return std::nullopt;
  try {
    return file_->find(key);
  } catch (const std::exception& error) {
    go_without(error.what());
    return std::nullopt;
  }
}

void OutcomeStore::add_here(const std::string& key, const Entry& entry) {
  const std::lock_guard lock(mutex_);
  known_.emplace(key, entry);
  if (!file_) return;
  try {
    file_->add(key, entry);
  } catch (const std::exception& error) {
    go_without(error.what());
  }
}

std::filesystem::path OutcomeStore::default_path() {
  const std::filesystem::path cycles = host::MeasurementStore::default_path();
  return cycles.empty() ? cycles : cycles.parent_path() / "outcomes.sqlite";
}

}  // namespace bitloop::agent
