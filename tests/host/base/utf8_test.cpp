#include "host/base/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace bitloop::host {
namespace {

TEST(Utf8, counts_the_bytes_of_a_character) {
  EXPECT_EQ(utf8_bytes("a"), 1U);
  EXPECT_EQ(utf8_bytes("\u00e4x"), 2U);
  EXPECT_EQ(utf8_bytes("\u5c64x"), 3U);
  EXPECT_EQ(utf8_bytes("\U0001f600x"), 4U);
  EXPECT_EQ(utf8_bytes("\U0010ffff"), 4U);
}

TEST(Utf8, knows_no_character_where_none_begins) {
  for (const std::string text :
       {"", "\x80", "\xff", "\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xed\xa0\x80",
        "\xf4\x90\x80\x80", "\xe5\xb1", "\xc3", "\n", "\x7f", "\xc2\x85"}) {
    EXPECT_EQ(utf8_bytes(text), 0U) << testing::PrintToString(text);
  }
}

}  // namespace
}  // namespace bitloop::host
