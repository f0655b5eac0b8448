#include "host/network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/error.h"

namespace bitloop::host::test {
namespace {

TEST(Zoo, lenet_has_the_published_shapes_and_sizes) {
  const Network network = zoo_network("lenet");
  const std::vector<const Layer*> layers = network.weight_layers();
  ASSERT_EQ(layers.size(), 5u);
  EXPECT_EQ(network.output_shape(*layers[1]), (Shape{16, 10, 10}));
  EXPECT_EQ(network.weight_count(*layers[0]), 150);
  EXPECT_EQ(network.macs(*layers[0]), 150 * 28 * 28);
  EXPECT_EQ(network.weight_count(*layers[2]), 400 * 120);
  EXPECT_EQ(network.macs(*layers[4]), 840);
  EXPECT_FALSE(layers[4]->batch_norm);
}

TEST(Zoo, an_unknown_name_is_refused_with_the_known_ones) {
  try {
    zoo_network("lenot");
    FAIL();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), testing::AllOf(testing::HasSubstr("lenot"), testing::HasSubstr("lenet")));
  }
}

TEST(SingleLayer, reads_every_key) {
  const Network network =
      single_layer_network("conv in=64x32x30 out=8 kernel=3x5 stride=2 pad=1 out_bits=4 signed=1");
  const Layer& layer = network.layers.at(0);
  EXPECT_EQ(network.tensors[0].shape, (Shape{64, 32, 30}));
  EXPECT_TRUE(network.tensors[0].is_signed);
  EXPECT_EQ(layer.kernel_height, 3);
  EXPECT_EQ(layer.kernel_width, 5);
  EXPECT_EQ(network.tensors[1].shape, (Shape{8, 16, 14}));
  EXPECT_EQ(network.output_bits, 4);
  EXPECT_FALSE(network.image_input);
  EXPECT_EQ(single_layer_network("linear in=400 out=120")
                .macs(single_layer_network("linear in=400 out=120").layers[0]),
            48000);
}

class BadLayer : public testing::TestWithParam<const char*> {};

TEST_P(BadLayer, is_refused) { EXPECT_THROW(single_layer_network(GetParam()), InputError) << GetParam(); }

INSTANTIATE_TEST_SUITE_P(
    Texts, BadLayer,
    testing::Values("", "   ", "conv", "pool in=1x1x1 out=1", "conv in=64 out=1 kernel=1",
                    "conv in=1x1x1 out=0 kernel=1", "conv in=0x1x1 out=1 kernel=1", "conv in=1x1x1 out=1",
                    "conv in=1x1x1 out=1 kernel=0", "conv in=1x1x1 out=1 kernel=3",
                    "conv in=1x1x1 out=1 kernel=1 colour=3", "conv in=1x1x1 out=1 kernel=1 kernel=1",
                    "conv in=1x1x1 out=1 kernel=1x1x1", "conv in=1x1x1 out=99999999999 kernel=1",
                    "conv in=70000x1x1 out=1 kernel=1", "conv in=65535x65535x65535 out=1 kernel=1",
                    "conv in=1x1x1 out=1 kernel=1 stride=0", "conv in=1x1x1 out=1 kernel=1 pad=-1",
                    "conv in=1x1x1 out=1 kernel=1 pad=1", "conv in=1x1x1 out=1 kernel=1 out_bits=3",
                    "conv in=1x1x1 out=-1 kernel=1", "conv in=1x1x out=1", "linear in=3x3 out=1",
                    "linear in=3 out=1 kernel=3", "linear out=1 in", "linear in=4.5 out=1",
                    "in=3 linear out=1"));

TEST(Validate, names_the_layer_whose_shapes_do_not_fit) {
  Network network = zoo_network("lenet");
  network.tensors[3].shape.height = 9;
  try {
    network.validate();
    FAIL();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("conv2"));
  }
}

TEST(Validate, refuses_wrong_orders_and_indices) {
  Network network = zoo_network("lenet");
  std::swap(network.layers[0], network.layers[1]);
  EXPECT_THROW(network.validate(), InputError);
  network = zoo_network("lenet");
  network.layers[2].input = 77;
  EXPECT_THROW(network.validate(), InputError);
  network = zoo_network("lenet");
  network.layers[2].name = "conv1";
  EXPECT_THROW(network.validate(), InputError);
}

}  // namespace
}  // namespace bitloop::host::test
