// Least cycles of layers against numbers worked out by hand.
#include "host/measurement/roofline.h"

#include <gtest/gtest.h>

#include "host/compiler/network_plan.h"
#include "host/network/policy.h"

namespace bitloop::host::test {
namespace {

double compute_cycles(const char* layer, const HardwareInfo& hardware) {
  const Network network = single_layer_network(layer);
  return roofline(plan_network(network, uniform_policy(network, 8, 8), hardware).segments.at(0), hardware)
      .compute;
}

TEST(Roofline, channelwise_operations_take_as_many_passes_as_lanes_make_a_block) {
  HardwareInfo half;
  half.channel_lanes = 16;
  // 2 blocks of 9 taps at 4 words in each of 8 tiles of 8 positions
  EXPECT_DOUBLE_EQ(compute_cycles("dwconv in=64x8x8 kernel=3 pad=1", HardwareInfo{}), 2 * 9 * 4 * 8);
  EXPECT_DOUBLE_EQ(compute_cycles("dwconv in=64x8x8 kernel=3 pad=1", half), 2 * 2 * 9 * 4 * 8);
  // a convolution has the array
  EXPECT_DOUBLE_EQ(compute_cycles("conv in=64x8x8 out=64 kernel=1", half),
                   compute_cycles("conv in=64x8x8 out=64 kernel=1", HardwareInfo{}));
}

}  // namespace
}  // namespace bitloop::host::test
