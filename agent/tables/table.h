#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "agent/space/query.h"

namespace bitloop::search {

/// Losses of assignments one decision away from the highest, not retrained: what probes of a table answer.
struct OneAtATime {
  int images = 0;
  double price = 0;                           ///< of each, in evaluations
  double highest = 0;                         ///< mean loss of the highest assignment
  std::vector<std::vector<double>> losses{};  ///< mean loss by decision and choice
};

/// A space whose assignments have all been evaluated, or most of them: a task on which searchers are compared
/// in seconds. docs/tables.md defines its files.
///
/// A policy that is missing costs more than any limit: nobody can choose it.
struct Table {
  struct Row {
    Costs costs{};
    std::vector<Fold> reward{};  ///< folds that searches may see
    std::vector<Fold> test{};    ///< and those that they may not; of a foreign table the same
  };

  std::string name{};
  std::string origin{};  ///< who made it, of what, by which command
  Space space{};
  std::vector<Measure> measures{};  ///< that it has, at least one
  Costs reference{};                ///< of the all-8-bit network
  std::map<Assignment, Row> rows{};
  std::optional<OneAtATime> probes{};

  /// How many assignments it lacks, and the first of them; nothing: none.
  struct Missing {
    double count = 0;
    std::string first;
  };
  [[nodiscard]] std::optional<Missing> missing() const;
};

/// `format` of its files.
inline constexpr const char* kTableFormat = "bitloop table";
/// Throws InputError, or a JSON exception, where the file is no such table.
Table table_from(const nlohmann::json& file);
/// Writes to a temporary name, then renames.
void save_table(const Table& table, const std::filesystem::path& path);

}  // namespace bitloop::search
