#include "tests/host/network/random_graphs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "tests/host/network/random_cases.h"

namespace bitloop::host::test {
namespace {

constexpr std::uint64_t kGraphs = 20 * kGraphThemes;

TEST(RandomGraphs, hold_all_that_tests_of_networks_need) {
  std::map<LayerKind, int> kinds;
  std::set<Activation> activations;
  int two_results = 0, one_channel_images = 0, narrow = 0, pooled_narrow = 0, odd_channels = 0, strided = 0,
      wide_kernels = 0, pad_ends = 0, signed_tensors = 0, joined = 0, dilated = 0, oblong = 0,
      all_padding = 0, uncounted = 0, grouped = 0, multiplied = 0, odd_parts = 0;
  for (std::uint64_t seed = 0; seed < kGraphs; ++seed) {
    const Network network = random_graph(seed);
    std::mt19937_64 random(seed);
    const TensorBits bits = tensor_bits(network, random_policy(network, random));
    two_results += network.outputs.size() == 2 ? 1 : 0;
    one_channel_images += network.tensors[network.input].shape.channels == 1 ? 1 : 0;
    for (std::size_t t = 0; t < network.tensors.size(); ++t) {
      narrow += bits.narrow[t] != 0 ? 1 : 0;
      odd_channels += network.tensors[t].shape.channels % 32 != 0 ? 1 : 0;
      signed_tensors += network.tensors[t].is_signed ? 1 : 0;
    }
    for (const Layer& layer : network.layers) {
      ++kinds[layer.kind];
      activations.insert(layer.activation);
      pooled_narrow += layer.kind == LayerKind::max_pool && bits.narrow[layer.output] != 0 ? 1 : 0;
      strided += layer.kind == LayerKind::depthwise && layer.stride == 2 ? 1 : 0;
      wide_kernels += layer.kind == LayerKind::depthwise && layer.kernel_height == 5 ? 1 : 0;
      pad_ends += layer.pad.bottom != layer.pad.top ? 1 : 0;
      dilated += layer.dilation != Steps() ? 1 : 0;
      oblong += layer.stride.y != layer.stride.x && layer.kernel_height != layer.kernel_width ? 1 : 0;
      all_padding += layer.pad.top >= layer.window().span_height() ? 1 : 0;
      uncounted += layer.uncounted.any() ? 1 : 0;
      joined += layer.inputs.size() > 2 ? 1 : 0;
      grouped += layer.groups > 1 ? 1 : 0;
      const bool deep = layer.kind == LayerKind::depthwise;
      multiplied +=
          deep && network.output_shape(layer).channels > network.input_shape(layer).channels ? 1 : 0;
      odd_parts += layer.kind == LayerKind::concat && network.input_shape(layer).channels % 32 != 0 ? 1 : 0;
    }
  }
  EXPECT_EQ(kinds.size(), 12U);
  EXPECT_EQ(activations.size(), 4U);
  for (const int count :
       {two_results, one_channel_images, narrow, pooled_narrow, odd_channels, strided, wide_kernels, pad_ends,
        signed_tensors, joined, dilated, oblong, all_padding, uncounted, grouped, multiplied, odd_parts})
    EXPECT_GE(count, 5);
  for (const auto& [kind, count] : kinds) EXPECT_GE(count, 20) << "kind " << static_cast<int>(kind);
}

TEST(RandomGraphs, are_legal_and_small_and_leave_no_tensor_unread) {
  for (std::uint64_t seed = 0; seed < kGraphs; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    const Network network = random_graph(seed);
    EXPECT_NO_THROW(network.validate());
    long macs = 0;
    std::vector<bool> read(network.tensors.size(), false);
    for (const Layer& layer : network.layers) {
      macs += network.macs(layer);
      for (const int input : layer.inputs) read[input] = true;
    }
    EXPECT_LE(macs, 2'000'000);
    EXPECT_TRUE(network.layers.size() >= 4 && network.layers.size() <= 10) << network.layers.size();
    for (std::size_t t = 0; t < read.size(); ++t)
      EXPECT_NE(read[t], network.is_output(static_cast<int>(t))) << network.tensors[t].name;
  }
}

TEST(RandomGraphs, the_same_seed_gives_the_same_network) {
  const Network a = random_graph(7), b = random_graph(7);
  ASSERT_EQ(a.layers.size(), b.layers.size());
  for (std::size_t i = 0; i < a.layers.size(); ++i) {
    EXPECT_EQ(a.layers[i].name, b.layers[i].name);
    EXPECT_EQ(a.output_shape(a.layers[i]), b.output_shape(b.layers[i]));
  }
}

}  // namespace
}  // namespace bitloop::host::test
