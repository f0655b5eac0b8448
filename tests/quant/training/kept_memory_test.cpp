#include "quant/training/kept_memory.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <memory>

namespace bitloop::quant {
namespace {

/// Whether a tensor's worth of memory comes from the system and goes back there.
bool is_mapped(std::size_t megabytes) {
  const std::size_t before = mallinfo2().hblks;
  const std::unique_ptr<char[]> block(new char[megabytes << 20]);
  *static_cast<volatile char*>(block.get()) = 1;
  return mallinfo2().hblks > before;
}

TEST(KeptMemory, is_kept_until_the_last_holder_ends) {
  auto outer = std::make_unique<KeptMemory>();
  {
    const KeptMemory inner;
    EXPECT_FALSE(is_mapped(64));
  }
  EXPECT_FALSE(is_mapped(65));
  outer.reset();
  EXPECT_TRUE(is_mapped(200));  // more than what is free
}

}  // namespace
}  // namespace bitloop::quant
