#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/space/query.h"

namespace bitloop::agent {

/// What evaluations answered, by the text of all that fixes the answer: in this process, and in one SQLite
/// file for all. It makes comparisons faster, never right or wrong: where the file cannot be used that is
/// told to `warn`, once, and this process goes on without it. What a store does not know it asks the one
/// behind it, and what it learns it tells that one: a run keeps its own outcomes and shares those of all. Any
/// thread may call.
class OutcomeStore {
 public:
  struct Entry {
    std::vector<search::Fold> folds;
    double seconds = 0;  ///< that the evaluation took when it was made
  };
  using Warn = std::function<void(const std::string& line)>;

  /// An empty path: this process only. `behind`: null for none.
  explicit OutcomeStore(const std::filesystem::path& path, Warn warn = {},
                        std::shared_ptr<OutcomeStore> behind = nullptr);
  ~OutcomeStore();

  std::optional<Entry> find(const std::string& key);
  /// On disk when it returns; a key that is known keeps its entry.
  void add(const std::string& key, const Entry& entry);

  /// `$XDG_CACHE_HOME/bitloop/outcomes.sqlite`, or in `~/.cache`; empty where neither is known.
  static std::filesystem::path default_path();

 private:
  class File;
  std::optional<Entry> find_here(const std::string& key);
  void add_here(const std::string& key, const Entry& entry);
  void go_without(const std::string& why);

  Warn warn_;
  std::shared_ptr<OutcomeStore> behind_;
  std::mutex mutex_;
  std::unordered_map<std::string, Entry> known_;
  std::unique_ptr<File> file_;
};

}  // namespace bitloop::agent
