#include "host/measurement/measurement_store.h"

#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "host/base/error.h"
#include "host/base/file_lock.h"

namespace bitloop::host {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kApplication = 0x424c4359;  // "BLCY"
constexpr int kVersion = 1;
constexpr const char* kTable =
    "CREATE TABLE records (key BLOB PRIMARY KEY, counters BLOB NOT NULL) WITHOUT ROWID";
constexpr std::chrono::milliseconds kPause{5};  // between attempts to have an unusable file for oneself
constexpr std::chrono::milliseconds kRebuildPatience{1000};  // others open it for milliseconds, or for hours

// --- Rows: the counters, little endian, and a checksum over key and counters.

static_assert(std::endian::native == std::endian::little);
constexpr std::size_t kChecksumBytes = 8;
using Row = std::array<std::byte, sizeof(Counters) + kChecksumBytes>;

Row to_row(const SegmentKey& key, const Counters& counters) {
  std::array<std::byte, sizeof(SegmentKey) + sizeof(Counters)> content;
  std::memcpy(content.data(), key.data(), sizeof key);
  std::memcpy(content.data() + sizeof key, counters.data(), sizeof counters);
  const Sha256 digest = sha256(content);
  Row row;
  std::memcpy(row.data(), counters.data(), sizeof counters);
  std::memcpy(row.data() + sizeof counters, digest.data(), kChecksumBytes);
  return row;
}

std::optional<Counters> from_row(const SegmentKey& key, std::span<const std::byte> bytes) {
  Counters counters;
  if (bytes.size() != sizeof(Row)) return std::nullopt;
  std::memcpy(counters.data(), bytes.data(), sizeof counters);
  const Row expected = to_row(key, counters);
  if (std::memcmp(expected.data(), bytes.data(), sizeof expected) != 0) return std::nullopt;
  return counters;
}

// --- The file as a whole.

/// Tells a file from those that take its name after it; 0: there is none.
std::uint64_t identity(const std::filesystem::path& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 ? static_cast<std::uint64_t>(status.st_ino) : 0;
}

std::filesystem::path with_suffix(std::filesystem::path path, const std::string& suffix) {
  path += suffix;
  return path;
}

enum class Condition { good, empty, unusable };
struct Finding {
  Condition condition = Condition::good;
  std::string why;
};

/// The file is no database, or a broken one.
bool is_damage(const SQLite::Exception& error) {
  const int code = error.getErrorCode();
  return code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
}

SQLite::Database open_database(const std::filesystem::path& path, std::chrono::milliseconds patience) {
  return {path.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE | SQLite::OPEN_NOMUTEX,
          static_cast<int>(patience.count())};
}

/// The integer that a query of one row and column gives.
std::int64_t number(SQLite::Database& database, const std::string& sql) {
  return database.execAndGet(sql).getInt64();
}

Finding inspect(SQLite::Database& database) {
  try {
    const std::int64_t application = number(database, "PRAGMA application_id");
    const std::int64_t version = number(database, "PRAGMA user_version");
    const std::int64_t objects = number(database, "SELECT count(*) FROM sqlite_schema");
    if (application == 0 && version == 0 && objects == 0) return {Condition::empty, ""};
    if (application != kApplication) return {Condition::unusable, "it is another program's database"};
    if (version != kVersion) {
      return {Condition::unusable,
              fmt::format("it is of version {} and this program's is {}", version, kVersion)};
    }
    if (number(database, fmt::format("SELECT count(*) FROM sqlite_schema WHERE sql = '{}'", kTable)) != 1) {
      return {Condition::unusable, "it is damaged: its table is not ours"};
    }
    return {};
  } catch (const SQLite::Exception& error) {
    if (!is_damage(error)) throw;
    return {Condition::unusable, fmt::format("it is damaged: {}", error.what())};
  }
}

void build(SQLite::Database& database) {
  database.exec("PRAGMA journal_mode = WAL");  // readers never wait
  database.exec(
      fmt::format("BEGIN IMMEDIATE; {}; PRAGMA application_id = {}; PRAGMA user_version = {}; COMMIT", kTable,
                  kApplication, kVersion));
}

}  // namespace

/// The open file. Holds the shared lock as long as the connection lives, and so is destroyed after it.
class MeasurementStore::File {
 public:
  File(FileLock lock, SQLite::Database database, std::uint64_t file_identity)
      : identity(file_identity), lock_(std::move(lock)), database_(std::move(database)) {
    database_.exec("PRAGMA synchronous = NORMAL");  // a power cut may cost the last rows, nothing else
  }

  std::optional<Counters> find(const SegmentKey& key) {
    find_.bindNoCopy(1, key.data(), static_cast<int>(key.size()));
    const bool known = find_.executeStep();
    const auto counters = known ? from_row(key, bytes_of(find_.getColumn(0))) : std::nullopt;
    find_.reset();
    if (known && !counters) throw Damage("it is damaged: a row does not match its checksum");
    return counters;
  }

  void add(std::span<const Entry> entries) {
    database_.exec("BEGIN IMMEDIATE");
    for (const Entry& entry : entries) {
      const Row row = to_row(entry.key, entry.counters);
      add_.bindNoCopy(1, entry.key.data(), static_cast<int>(entry.key.size()));
      add_.bindNoCopy(2, row.data(), static_cast<int>(row.size()));
      add_.exec();
      add_.reset();
    }
    database_.exec("COMMIT");
  }

  struct Damage : Error {
    using Error::Error;
  };
  const std::uint64_t identity;

 private:
  static std::span<const std::byte> bytes_of(const SQLite::Column& column) {
    return {static_cast<const std::byte*>(column.getBlob()), static_cast<std::size_t>(column.getBytes())};
  }

  FileLock lock_;
  SQLite::Database database_;
  SQLite::Statement find_{database_, "SELECT counters FROM records WHERE key = ?"};
  SQLite::Statement add_{database_, "INSERT OR IGNORE INTO records VALUES (?, ?)"};
};

MeasurementStore::MeasurementStore(std::filesystem::path path, Warn warn, std::chrono::milliseconds patience)
    : path_(std::move(path)), warn_(std::move(warn)), patience_(patience) {
  if (!path_.empty()) open();
}

MeasurementStore::~MeasurementStore() = default;

std::optional<Counters> MeasurementStore::find(const SegmentKey& key) {
  const std::lock_guard lock(mutex_);
  if (const auto known = known_.find(key); known != known_.end()) return known->second;
  std::optional<Counters> counters;
  attempt([&](File& file) { counters = file.find(key); });
  if (counters) known_.emplace(key, *counters);
  return counters;
}

void MeasurementStore::add(std::span<const Entry> entries) {
  const std::lock_guard lock(mutex_);
  for (const Entry& entry : entries) known_.emplace(entry.key, entry.counters);
  attempt([&](File& file) { file.add(entries); });
}

/// Does something with the file, if there is one; whatever is wrong with it then is over afterwards.
template <class Action>
void MeasurementStore::attempt(Action action) {
  if (!file_) return;
  const std::uint64_t damaged_file = file_->identity;
  try {
    action(*file_);
  } catch (const File::Damage& error) {
    file_.reset();
    open(error.what(), damaged_file);
  } catch (const SQLite::Exception& error) {
    file_.reset();
    if (is_damage(error)) {
      open(fmt::format("it is damaged: {}", error.what()), damaged_file);
    } else {
      go_without(error.what());
    }
  }
}

/// Opens the file, rebuilt where it must be. `damage`: what was found in `damaged_file`, which is not used
/// again.
void MeasurementStore::open(const std::string& damage, std::uint64_t damaged_file) {
  const auto deadline = Clock::now() + std::min(patience_, kRebuildPatience);
  try {
    std::filesystem::create_directories(std::filesystem::absolute(path_).parent_path());
    while (!try_use(damaged_file)) {
      if (try_rebuild(damage, damaged_file)) continue;
      if (Clock::now() >= deadline) {
        return go_without(damage.empty() ? "another process keeps it to itself"
                                         : damage + ", and another process uses it");
      }
      std::this_thread::sleep_for(kPause);
    }
  } catch (const Error& error) {
    go_without(error.what());
  } catch (const SQLite::Exception& error) {
    go_without(error.what());
  } catch (const std::filesystem::filesystem_error& error) {
    go_without(error.code().message());
  }
}

bool MeasurementStore::try_use(std::uint64_t damaged_file) {
  auto lock = FileLock::try_lock(with_suffix(path_, ".lock"), FileLock::Kind::shared);
  if (!lock || !std::filesystem::exists(path_)) return false;
  const std::uint64_t now = identity(path_);
  if (now == damaged_file) return false;
  SQLite::Database database = open_database(path_, patience_);
  if (inspect(database).condition != Condition::good) return false;
  file_ = std::make_unique<File>(std::move(*lock), std::move(database), now);
  return true;
}

/// While nobody else uses the file: false where somebody does.
bool MeasurementStore::try_rebuild(const std::string& damage, std::uint64_t damaged_file) {
  const auto lock = FileLock::try_lock(with_suffix(path_, ".lock"), FileLock::Kind::exclusive);
  if (!lock) return false;
  if (!damage.empty() && identity(path_) == damaged_file) {
    set_aside(damage);
  } else {
    SQLite::Database database = open_database(path_, patience_);
    const Finding finding = inspect(database);
    if (finding.condition == Condition::good) return true;  // another process was quicker
    if (finding.condition == Condition::empty) {
      build(database);
      return true;
    }
    // The connection is left open: closing it could delete the files beside it, which are set aside too.
    set_aside(finding.why);
  }
  SQLite::Database database = open_database(path_, patience_);
  build(database);
  return true;
}

void MeasurementStore::set_aside(const std::string& why) {
  std::string suffix;
  for (int i = 1; suffix.empty() || std::filesystem::exists(with_suffix(path_, suffix)); ++i) {
    suffix = fmt::format(".set-aside-{}", i);
  }
  for (const char* part : {"-wal", "-shm", ""}) {
    const auto from = with_suffix(path_, part);
    if (std::filesystem::exists(from)) std::filesystem::rename(from, with_suffix(path_, suffix + part));
  }
  if (warn_) {
    warn_(fmt::format("the store of measured cycles {} is rebuilt: {}; the old one is kept as {}",
                      path_.string(), why, with_suffix(path_, suffix).filename().string()));
  }
}

void MeasurementStore::go_without(const std::string& why) {
  file_.reset();
  if (warn_) {
    warn_(fmt::format("the store of measured cycles {} is not used this time: {}", path_.string(), why));
  }
}

std::filesystem::path MeasurementStore::default_path() {
  const auto folder = [](const char* name) {
    const char* value = std::getenv(name);
    return std::filesystem::path(value == nullptr ? "" : value);
  };
  std::filesystem::path cache = folder("XDG_CACHE_HOME");
  if (cache.empty() && !folder("HOME").empty()) cache = folder("HOME") / ".cache";
  return cache.empty() ? cache : cache / "bitloop" / "cycles.sqlite";
}

}  // namespace bitloop::host
