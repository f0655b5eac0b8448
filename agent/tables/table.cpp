#include "agent/tables/table.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "agent/tables/space_json.h"
#include "host/base/atomic_file.h"
#include "host/base/error.h"

namespace bitloop::search {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr int kVersion = 1;
constexpr double kMostAssignments = 1e6;

std::vector<Fold> folds_from(const json& images, const json& correct, const json& loss) {
  std::vector<Fold> folds;
  for (std::size_t i = 0; i < images.size(); ++i) {
    const Fold fold{images.at(i), correct.at(i), loss.at(i)};
    if (fold.images < 1 || fold.correct < 0 || fold.correct > fold.images || !(fold.loss >= 0))
      throw InputError("a fold has no images, or more right answers than images, or a loss below 0");
    folds.push_back(fold);
  }
  if (folds.empty() || correct.size() != folds.size() || loss.size() != folds.size())
    throw InputError("it needs at least one fold, with right answers and a loss for each");
  return folds;
}

}  // namespace

std::optional<Table::Missing> Table::missing() const {
  Missing missing{space.assignments() - static_cast<double>(rows.size()), {}};
  if (missing.count <= 0) return std::nullopt;
  Assignment assignment = space.lowest();
  while (rows.contains(assignment)) {
    std::size_t i = assignment.size() - 1;
    while (++assignment[i] == space.decisions[i].size()) assignment[i--] = 0;
  }
  missing.first = text_of(space, assignment);
  return missing;
}

Table table_from(const json& file) {
  if (file.at("version") != kVersion) throw InputError(fmt::format("it is not of version {}", kVersion));
  Table table{.name = file.at("name"), .origin = file.at("origin"), .space = space_from(file)};
  if (table.space.assignments() > kMostAssignments)
    throw InputError(fmt::format("it has {:.0f} assignments: at most {:.0f}", table.space.assignments(),
                                 kMostAssignments));
  for (const std::string& name : file.at("costs").get<std::vector<std::string>>()) {
    table.measures.push_back(measure_of(name));
    table.reference[table.measures.back()] = file.at("reference").at(name);
  }
  if (table.measures.empty()) throw InputError("it names no costs");
  const json& images = file.at("images");
  for (const json& r : file.at("rows")) {
    Table::Row row;
    std::size_t column = 1;
    for (const Measure measure : table.measures) row.costs[measure] = r.at(column++);
    row.reward = folds_from(images.at("reward"), r.at(column), r.at(column + 1));
    row.test = folds_from(images.at("test"), r.at(column + 2), r.at(column + 3));
    if (!table.rows.emplace(assignment_of(table.space, r.at(0)), std::move(row)).second)
      throw InputError(fmt::format("policy '{}' stands in it twice", r.at(0).get<std::string>()));
  }
  if (table.rows.empty()) throw InputError("it has no rows");
  if (file.contains("probes")) {
    const json& probes = file.at("probes");
    table.probes = {probes.at("images"), probes.at("price"), probes.at("highest"), probes.at("losses")};
    if (table.probes->losses.size() != table.space.decisions.size())
      throw InputError("its probes are not one list per decision");
    for (std::size_t i = 0; i < table.probes->losses.size(); ++i)
      if (static_cast<int>(table.probes->losses[i].size()) != table.space.decisions[i].size())
        throw InputError("its probes are not one loss per choice");
  }
  return table;
}

void save_table(const Table& table, const std::filesystem::path& path) {
  ordered_json file{
      {"format", kTableFormat}, {"version", kVersion}, {"name", table.name}, {"origin", table.origin}};
  add_space(file, table.space);
  for (const Measure measure : table.measures) {
    file["costs"].push_back(name_of(measure));
    file["reference"][std::string(name_of(measure))] = table.reference[measure];
  }
  const auto images = [](const std::vector<Fold>& folds) {
    ordered_json list = ordered_json::array();
    for (const Fold& fold : folds) list.push_back(fold.images);
    return list;
  };
  const Table::Row& first = table.rows.begin()->second;
  file["images"] = {{"reward", images(first.reward)}, {"test", images(first.test)}};
  if (table.probes) {
    file["probes"] = {{"images", table.probes->images},
                      {"price", table.probes->price},
                      {"highest", table.probes->highest},
                      {"losses", table.probes->losses}};
  }
  std::string text = file.dump(1);
  text.resize(text.rfind('\n'));  // the rows go before the closing brace, each on a line of its own
  text += ",\n \"rows\": [";
  std::string separator = "\n";
  for (const auto& [assignment, row] : table.rows) {
    ordered_json r{text_of(table.space, assignment)};
    for (const Measure measure : table.measures) r.push_back(row.costs[measure]);
    for (const auto& folds : {row.reward, row.test}) {
      ordered_json correct = ordered_json::array();
      ordered_json loss = ordered_json::array();
      for (const Fold& fold : folds) {
        correct.push_back(fold.correct);
        loss.push_back(fold.loss);
      }
      r.push_back(correct);
      r.push_back(loss);
    }
    text += separator + r.dump();
    separator = ",\n";
  }
  host::write_file_atomically(path, text + "\n]}\n");
}

}  // namespace bitloop::search
