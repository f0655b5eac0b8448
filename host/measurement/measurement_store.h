#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>

#include "host/device/device.h"
#include "host/measurement/segment_key.h"

namespace bitloop::host {

/// Remembers counter records by segment key: in this process, and in one SQLite file for all processes.
///
/// The file makes things faster, never right or wrong: nothing here throws because of it. A file that is
/// damaged or of another version is told to `warn`, set aside under another name
/// (never deleted) and rebuilt; one that is locked for longer than `patience`, or cannot be written, is told
/// and this process goes on without it. A row that does not match its checksum is damage. Processes share it:
/// rows are added in transactions, and whoever has it open holds `PATH.lock`, so that it is set aside only
/// while nobody else uses it (SQLite loses data otherwise). Any thread may call; must not be carried over a
/// fork.
class MeasurementStore {
 public:
  using Warn = std::function<void(const std::string& line)>;
  struct Entry {
    SegmentKey key{};
    Counters counters{};
  };
  static constexpr std::chrono::milliseconds kPatience{5000};

  /// An empty path: this process only.
  explicit MeasurementStore(std::filesystem::path path, Warn warn = {},
                            std::chrono::milliseconds patience = kPatience);
  ~MeasurementStore();

  std::optional<Counters> find(const SegmentKey& key);
  /// All or none reach the file. A key that is known keeps its counters.
  void add(std::span<const Entry> entries);

  /// `$XDG_CACHE_HOME/bitloop/cycles.sqlite`, or in `~/.cache`; empty where neither is known.
  static std::filesystem::path default_path();

 private:
  class File;

  template <class Action>
  void attempt(Action action);
  void open(const std::string& damage = {}, std::uint64_t damaged_file = 0);
  bool try_use(std::uint64_t damaged_file);
  bool try_rebuild(const std::string& damage, std::uint64_t damaged_file);
  void set_aside(const std::string& why);
  void go_without(const std::string& why);

  const std::filesystem::path path_;
  const Warn warn_;
  const std::chrono::milliseconds patience_;
  std::mutex mutex_;
  std::unordered_map<SegmentKey, Counters, SegmentKeyHash> known_;
  std::unique_ptr<File> file_;  ///< none: this process only
};

}  // namespace bitloop::host
