#include "agent/console/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "host/base/error.h"

namespace bitloop::console {
namespace {

bool starts_like_a_number(const std::string& cell) {
  return cell.empty() || cell == "-" || std::isdigit(static_cast<unsigned char>(cell.front())) != 0 ||
         (cell.size() > 1 && (cell[0] == '-' || cell[0] == '+') &&
          std::isdigit(static_cast<unsigned char>(cell[1])) != 0);
}

/// Columns that a cell takes on a terminal, as fmt counts them when it fills up.
std::size_t width_of(std::string_view cell) {
  std::size_t characters = 0;
  for (const char c : cell) characters += (static_cast<unsigned char>(c) & 0xc0) != 0x80 ? 1 : 0;
  const std::size_t filled = fmt::format("{:<{}}", cell, 2 * characters).size() - cell.size();
  return 2 * characters - filled;
}

std::string csv_cell(const std::string& cell) {
  if (cell.find_first_of(",\"\n") == std::string::npos) return cell;
  std::string quoted = "\"";
  for (const char c : cell) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

std::string csv_line(const std::vector<std::string>& cells) {
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) line += ',';
    line += csv_cell(cells[i]);
  }
  line += '\n';
  return line;
}

}  // namespace

Format parse_format(std::string_view text) {
  if (text == "table") return Format::table;
  if (text == "json") return Format::json;
  if (text == "csv") return Format::csv;
  throw InputError(fmt::format("unknown format '{}': --format takes table, json or csv", text));
}

std::string Table::text() const {
  std::vector<std::size_t> widths;
  std::vector<bool> numbers;
  for (std::size_t column = 0; column < columns_.size(); ++column) {
    std::size_t width = width_of(columns_[column]);
    bool number = true;
    for (const auto& row : rows_) {
      width = std::max(width, width_of(row[column]));
      number = number && starts_like_a_number(row[column]);
    }
    widths.push_back(width);
    numbers.push_back(number);
  }
  std::string text;
  const auto add = [&](const std::vector<std::string>& cells) {
    std::string line;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      line += i == 0 ? "" : "  ";
      line += numbers[i] ? fmt::format("{:>{}}", cells[i], widths[i])
                         : fmt::format("{:<{}}", cells[i], widths[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  };
  add(columns_);
  std::vector<std::string> rule;
  for (const std::size_t width : widths) rule.emplace_back(width, '-');
  add(rule);
  for (const auto& row : rows_) add(row);
  return text;
}

std::string Table::csv() const {
  std::string text = csv_line(columns_);
  for (const auto& row : rows_) text += csv_line(row);
  return text;
}

void print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    throw Error(fmt::format("standard output could not be written ({}): free space or redirect it elsewhere",
                            std::strerror(errno)));
  }
}

}  // namespace bitloop::console
