#include "quant/onnx/operators.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace bitloop::quant::importer {
namespace {

std::string text_of(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

/// What docs/networks.md must hold: a row per limits, with all operators that have them.
std::string operator_table() {
  std::vector<std::pair<std::string, std::string_view>> rows;
  for (const Operator& op : operators()) {
    const auto same = std::ranges::find(rows, op.limits, &std::pair<std::string, std::string_view>::second);
    if (same == rows.end())
      rows.emplace_back(op.name, op.limits);
    else
      same->first += fmt::format(", {}", op.name);
  }
  std::string table = "| operators | supported |\n| --- | --- |\n";
  for (const auto& [names, limits] : rows) table += fmt::format("| {} | {} |\n", names, limits);
  return table;
}

TEST(Operators, stand_with_their_limits_in_the_docs) {
  const std::string docs = text_of(std::filesystem::path(BITLOOP_ROOT) / "docs/networks.md");
  EXPECT_NE(docs.find(operator_table()), std::string::npos) << "docs/networks.md needs this table:\n"
                                                            << operator_table();
}

TEST(Operators, are_in_alphabetical_order) {
  EXPECT_TRUE(std::ranges::is_sorted(operators(), {}, &Operator::name));
}

}  // namespace
}  // namespace bitloop::quant::importer
