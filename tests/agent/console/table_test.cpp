#include "agent/console/table.h"

#include <gtest/gtest.h>

namespace bitloop::console {
namespace {

TEST(Table, columns_align_whatever_language_names_are_in) {
  Table table({"layer", "cycles"});
  table.add_row({"conv1", "5"});
  table.add_row({"gr\u00f6\u00dfe", "12"});
  table.add_row({"\u5c64\u4e00", "345"});  // two columns each
  EXPECT_EQ(table.text(),
            "layer  cycles\n"
            "-----  ------\n"
            "conv1       5\n"
            "gr\u00f6\u00dfe      12\n"
            "\u5c64\u4e00      345\n");
}

}  // namespace
}  // namespace bitloop::console
