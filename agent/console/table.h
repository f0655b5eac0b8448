#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bitloop::console {

/// How a verb prints its result.
enum class Format { table, json, csv };

/// `table`, `json` or `csv`; throws InputError for anything else.
Format parse_format(std::string_view text);

/// Rows of cells under named columns, as aligned text or as CSV.
class Table {
 public:
  explicit Table(std::vector<std::string> columns) : columns_(std::move(columns)) {}
  /// As many cells as columns.
  void add_row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  /// Columns of numbers are aligned to the right. Ends with a newline.
  [[nodiscard]] std::string text() const;
  [[nodiscard]] std::string csv() const;

 private:
  std::vector<std::string> columns_;
  std::vector<std::vector<std::string>> rows_;
};

/// Writes to standard output at once; throws Error where it does not take all.
void print(std::string_view text);

}  // namespace bitloop::console
