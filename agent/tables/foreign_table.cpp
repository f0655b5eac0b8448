#include "agent/tables/foreign_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <sstream>

#include "host/base/error.h"

namespace bitloop::search {
namespace {

/// Of a fold whose images nobody told: so many that an accuracy keeps four digits.
constexpr int kUnknownImages = 10'000;
constexpr const char* kAccuracy = "accuracy";

using Cells = std::vector<std::string>;

Cells cells_of(const std::string& line) {
  Cells cells;
  std::string cell;
  for (std::istringstream stream(line); std::getline(stream, cell, ',');) {
    const auto first = cell.find_first_not_of(" \t\r");
    const auto last = cell.find_last_not_of(" \t\r");
    cells.push_back(first == std::string::npos ? "" : cell.substr(first, last - first + 1));
  }
  return cells;
}

std::optional<double> number(const std::string& text) {
  double value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec != std::errc{} || result.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

double number(const Cells& cells, std::size_t column, double least, double most) {
  const auto value = number(cells[column]);
  if (!value || !(*value >= least && *value <= most))
    throw InputError(fmt::format("'{}' is no number from {} to {}", cells[column], least, most));
  return *value;
}

/// Labels of one column, with the fewest bits first.
std::vector<Choice> choices_of(const std::vector<Cells>& rows, std::size_t column) {
  std::vector<Choice> choices;
  bool numbers = true;
  for (const Cells& row : rows) {
    if (std::ranges::find(choices, row[column], &Choice::label) != choices.end()) continue;
    const auto bits = number(row[column]);
    numbers = numbers && bits.has_value();
    choices.push_back({row[column], bits.value_or(0)});
  }
  if (numbers) {
    std::ranges::stable_sort(choices, {}, &Choice::bits);
  } else {
    for (std::size_t i = 0; i < choices.size(); ++i) choices[i].bits = static_cast<double>(i + 1);
  }
  return choices;
}

Fold fold(double accuracy, double loss) {
  return {kUnknownImages, static_cast<int>(accuracy * kUnknownImages + 0.5), loss * kUnknownImages};
}

std::vector<Cells> rows_of(const std::string& text) {
  std::vector<Cells> rows;
  std::string line;
  for (std::istringstream stream(text); std::getline(stream, line);) {
    if (line.empty() || line == "\r") continue;
    rows.push_back(cells_of(line));
    if (rows.back().size() != rows.front().size())
      throw InputError(fmt::format("row {} has {} cells, the header {}", rows.size(), rows.back().size(),
                                   rows.front().size()));
  }
  if (rows.size() < 2) throw InputError("it has no rows below its header");
  return rows;
}

}  // namespace

Table foreign_table(const std::string& text, const std::string& name) {
  std::vector<Cells> rows = rows_of(text);
  const Cells header = rows.front();
  rows.erase(rows.begin());
  const auto column = [&](std::string_view title) -> std::optional<std::size_t> {
    const auto found = std::ranges::find(header, title);
    if (found == header.end()) return std::nullopt;
    return static_cast<std::size_t>(found - header.begin());
  };
  const auto accuracy = column(kAccuracy);
  if (!accuracy || *accuracy == 0)
    throw InputError("it needs a column per decision and, behind them, one named 'accuracy'");
  Table table{.name = name, .origin = "foreign", .space = {.name = name}};
  for (std::size_t i = 0; i < *accuracy; ++i)
    table.space.decisions.push_back({.name = header[i], .choices = choices_of(rows, i)});
  table.space.validate();
  for (const Measure measure : {Measure::cycles, Measure::energy, Measure::bytes})
    if (column(name_of(measure))) table.measures.push_back(measure);
  if (table.measures.empty()) throw InputError("it has no cost: add a column 'cycles', 'energy' or 'bytes'");
  const auto loss = column("loss");
  const auto test = column("test_accuracy");
  for (std::size_t i = 0; i < rows.size(); ++i) {
    try {
      const Cells& cells = rows[i];
      Assignment assignment;
      for (std::size_t d = 0; d < *accuracy; ++d) {
        const auto& choices = table.space.decisions[d].choices;
        assignment.push_back(
            static_cast<int>(std::ranges::find(choices, cells[d], &Choice::label) - choices.begin()));
      }
      Table::Row row;
      for (const Measure measure : table.measures) {
        row.costs[measure] = number(cells, *column(name_of(measure)), 0, 1e18);
        table.reference[measure] = std::max(table.reference[measure], row.costs[measure]);
      }
      const double right = number(cells, *accuracy, 0, 1);
      const double tested = test ? number(cells, *test, 0, 1) : right;
      const double lost = loss ? number(cells, *loss, 0, 1e6) : 1 - right;
      row.reward = {fold(right, lost)};
      row.test = {fold(tested, lost)};
      if (!table.rows.emplace(assignment, std::move(row)).second)
        throw InputError("its policy stands there twice");
    } catch (const InputError& error) {
      throw InputError(fmt::format("row {}: {}", i + 2, error.what()));
    }
  }
  return table;
}

}  // namespace bitloop::search
