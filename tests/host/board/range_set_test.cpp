#include "host/board/range_set.h"

#include <gtest/gtest.h>

#include <random>
#include <utility>
#include <vector>

namespace bitloop::host::board::test {
namespace {

using Ranges = std::vector<std::pair<Address, Address>>;

Ranges of(const RangeSet& set) { return {set.begin(), set.end()}; }

TEST(RangeSetTest, ranges_that_touch_or_overlap_become_one) {
  RangeSet set;
  set.add(10, 20);
  set.add(30, 40);
  EXPECT_EQ(of(set), (Ranges{{10, 20}, {30, 40}}));
  set.add(20, 25);
  EXPECT_EQ(of(set), (Ranges{{10, 25}, {30, 40}}));
  set.add(12, 15);
  EXPECT_EQ(of(set), (Ranges{{10, 25}, {30, 40}}));
  set.add(5, 30);
  EXPECT_EQ(of(set), (Ranges{{5, 40}}));
}

TEST(RangeSetTest, holds_what_was_added_and_nothing_else) {
  std::mt19937_64 random(1);
  RangeSet set;
  std::vector<bool> reference(200);
  for (int i = 0; i < 40; ++i) {
    const std::size_t begin = random() % 190;
    const std::size_t end = begin + 1 + random() % 10;
    set.add(begin, end);
    for (std::size_t byte = begin; byte < end; ++byte) reference[byte] = true;
    for (std::size_t first = 0; first < reference.size(); ++first) {
      bool whole = true;
      for (std::size_t last = first; last < reference.size(); ++last) {
        whole = whole && reference[last];
        ASSERT_EQ(set.contains(first, last + 1), whole) << first << " to " << last;
      }
    }
  }
}

}  // namespace
}  // namespace bitloop::host::board::test
