// Least cycles of layers against numbers worked out by hand.
#include "host/measurement/roofline.h"

#include <gtest/gtest.h>

#include <string>

#include "host/compiler/network_plan.h"
#include "host/network/policy.h"
#include "host/network/zoo/builder.h"

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

double macs_of_segments(const Network& network, int bits) {
  double sum = 0;
  for (const Segment& segment :
       plan_network(network, uniform_policy(network, bits, bits), HardwareInfo{}).segments)
    sum += macs(segment);
  return sum;
}

double macs_of_layers(const Network& network) {
  double sum = 0;
  for (const Layer& layer : network.layers) sum += static_cast<double>(network.macs(layer));
  return sum;
}

TEST(Roofline, counts_the_products_of_the_networks_layers) {
  for (const std::string& name : zoo_names()) {
    const Network network = zoo_network(name);
    for (const int bits : {8, 2}) EXPECT_EQ(macs_of_segments(network, bits), macs_of_layers(network)) << name;
  }
}

TEST(Roofline, counts_no_rows_of_packed_images_beyond_the_kernel) {
  zoo::NetworkBuilder net("seven-rows", {1, 16, 16});  // packed by four
  const Network network =
      net.finish({net.conv("conv", net.image(), {.filters = 16, .kernel = 7, .batch_norm = false})});
  for (const int bits : {8, 2}) EXPECT_EQ(macs_of_segments(network, bits), macs_of_layers(network));
}

}  // namespace
}  // namespace bitloop::host::test
