#include "host/base/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

#include "host/base/error.h"

namespace bitloop::host {
namespace {

TEST(ParallelFor, RunsEveryItemOnce) {
  for (const int workers : {1, 4}) {
    std::vector<std::atomic<int>> counts(100);
    parallel_for(100, workers, [&](int item, int) { ++counts[item]; });
    for (const auto& count : counts) EXPECT_EQ(count, 1);
  }
  parallel_for(0, 4, [](int, int) { FAIL(); });
}

TEST(ParallelFor, CallsOfAWorkerFollowEachOther) {
  std::vector<std::atomic<bool>> busy(4);
  parallel_for(1000, 4, [&](int, int worker) {
    EXPECT_FALSE(busy.at(worker).exchange(true));
    busy.at(worker) = false;
  });
}

TEST(ParallelFor, RethrowsTheErrorOfAWorkerAfterWhichNothingStarts) {
  int started = 0;
  const auto work = [&](int item, int) {
    if (item == 4) throw Error("four");
    ++started;
  };
  EXPECT_THROW(parallel_for(10, 1, work), Error);
  EXPECT_EQ(started, 4);
  EXPECT_THROW(parallel_for(10, 3,
                            [](int item, int) {
                              if (item == 4) throw Error("four");
                            }),
               Error);
}

}  // namespace
}  // namespace bitloop::host
