#include "host/network/network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "host/base/error.h"

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

/// With biases and batch norms, of which each filter has so many numbers.
double parameters_of(const Network& network, int norm_numbers = 2) {
  long parameters = 0;
  for (const Layer* layer : network.weight_layers()) {
    const long filters = network.output_shape(*layer).channels;
    parameters += network.weight_count(*layer) + (layer->batch_norm ? norm_numbers : 1) * filters;
  }
  return static_cast<double>(parameters);
}

long total_macs(const Network& network) {
  long macs = 0;
  for (const Layer& layer : network.layers) macs += network.macs(layer);
  return macs;
}

/// Keras's count of parameters has, of a batch norm, gain, shift, mean and variance, and the bias before it.
constexpr int kKeras = 5;

/// Published figures: MACs (half of darknet's BFLOPs), and parameters with those of biases and batch norms.
struct Published {
  const char* name;
  double macs;
  double parameters;
  std::size_t weight_layers;
  Shape result;
  int norm_numbers = 2;  ///< gain and shift
};
void PrintTo(const Published& published, std::ostream* out) { *out << published.name; }

class ZooFigures : public testing::TestWithParam<Published> {
 protected:
  Network network_ = zoo_network(GetParam().name);
};

TEST_P(ZooFigures, macs_are_as_published) {
  const auto macs = static_cast<double>(total_macs(network_));
  EXPECT_NEAR(macs / GetParam().macs, 1, 0.005) << macs;
}

TEST_P(ZooFigures, parameters_are_as_published) {
  EXPECT_EQ(parameters_of(network_, GetParam().norm_numbers), GetParam().parameters);
}

TEST_P(ZooFigures, layers_and_result_are_as_published) {
  EXPECT_EQ(network_.weight_layers().size(), GetParam().weight_layers);
  EXPECT_EQ(network_.tensors[network_.output()].shape, GetParam().result);
  EXPECT_EQ(network_.name, GetParam().name);
}

// torchvision's documentation (GFLOPS, num_params); darknet's BFLOPs and the usual PyTorch ports' parameters;
// MLPerf Tiny's models as Keras counts them.
// ResNet-20: 269,722 parameters (Idelbayev) and 2656 of the two 1x1 shortcuts.
INSTANTIATE_TEST_SUITE_P(
    Networks, ZooFigures,
    testing::Values(Published{"mobilenet-v2", 300.8e6, 3504872, 53, {1000, 1, 1}},
                    Published{"resnet18", 1814e6, 11689512, 21, {1000, 1, 1}},
                    Published{"resnet50", 4089e6, 25557032, 54, {1000, 1, 1}},
                    Published{"resnet20", 40.8e6, 269722 + 2656, 22, {10, 1, 1}},
                    Published{"yolov3", 65.86e9 / 2, 61949149, 75, {255, 13, 13}},
                    Published{"yolov3-tiny", 5.56e9 / 2, 8852366, 13, {255, 13, 13}},
                    Published{"resnet8", 12.5e6, 78666, 10, {10, 1, 1}, kKeras},
                    Published{"mobilenet-v1-0.25", 7.49e6, 221794, 28, {2, 1, 1}, kKeras},
                    Published{"ds-cnn", 2.66e6, 24908, 10, {12, 1, 1}, kKeras},
                    Published{"ad-autoencoder", 264192, 269992, 10, {640, 1, 1}, kKeras}),
    [](const auto& test) {
      std::string name = test.param.name;
      for (const char c : {'-', '.'}) std::replace(name.begin(), name.end(), c, '_');
      return name;
    });

TEST(Zoo, depthwise_layers_do_7_percent_of_mobilenets_work) {
  const Network network = zoo_network("mobilenet-v2");
  double depthwise = 0;
  double all = 0;
  for (const Layer& layer : network.layers) {
    const auto macs = static_cast<double>(network.macs(layer));
    all += macs;
    if (layer.kind == LayerKind::depthwise) depthwise += macs;
  }
  EXPECT_NEAR(depthwise / all, 0.069, 0.0005);
}

const Layer& layer_named(const Network& network, std::string_view name) {
  return *std::find_if(network.layers.begin(), network.layers.end(),
                       [&](const Layer& layer) { return layer.name == name; });
}

const Tensor& tensor_named(const Network& network, std::string_view name) {
  return *std::find_if(network.tensors.begin(), network.tensors.end(),
                       [&](const Tensor& tensor) { return tensor.name == name; });
}

TEST(Zoo, resnet50_has_the_stride_on_the_3x3_convolution) {
  const Network network = zoo_network("resnet50");
  EXPECT_EQ(layer_named(network, "layer2.0.conv1").stride, 1);
  EXPECT_EQ(layer_named(network, "layer2.0.conv2").stride, 2);
  EXPECT_EQ(layer_named(network, "layer2.0.downsample.0").stride, 2);
  EXPECT_EQ(tensor_named(network, "layer1.0.downsample.0").shape, (Shape{256, 56, 56}));
}

TEST(Zoo, mobilenets_bottlenecks_are_linear_and_its_first_does_not_expand) {
  const Network network = zoo_network("mobilenet-v2");
  EXPECT_EQ(layer_named(network, "features.1.conv.0.0").kind, LayerKind::depthwise);
  EXPECT_EQ(layer_named(network, "features.2.conv.0.0").kind, LayerKind::conv);
  EXPECT_EQ(tensor_named(network, "features.2.conv.0.0").shape, (Shape{96, 112, 112}));
  EXPECT_TRUE(tensor_named(network, "features.3.add").is_signed);
  EXPECT_TRUE(tensor_named(network, "features.17.conv.2").is_signed);
  EXPECT_FALSE(tensor_named(network, "features.17.conv.1.0").is_signed);
  EXPECT_FALSE(tensor_named(network, "avgpool").is_signed);
  EXPECT_EQ(std::count_if(network.layers.begin(), network.layers.end(),
                          [](const Layer& layer) { return layer.kind == LayerKind::add; }),
            10);
}

TEST(Zoo, yolov3_has_three_scales_and_darknets_section_numbers) {
  const Network network = zoo_network("yolov3");
  ASSERT_EQ(network.outputs.size(), 3u);
  const char* const heads[] = {"conv81", "conv93", "conv105"};
  for (int i = 0; i < 3; ++i) {
    const Tensor& head = network.tensors[network.outputs[i]];
    EXPECT_EQ(head.name, heads[i]);
    EXPECT_EQ(head.shape, (Shape{255, 13 << i, 13 << i}));
    EXPECT_FALSE(head.is_signed);
  }
  const Layer& concat = layer_named(network, "concat86");
  EXPECT_EQ(network.tensors[concat.inputs[0]].name, "upsample85");
  EXPECT_EQ(network.tensors[concat.inputs[1]].name, "add61");
  EXPECT_EQ(tensor_named(network, "concat98").shape, (Shape{384, 52, 52}));
}

TEST(Zoo, yolov3_tinys_last_pool_keeps_the_size) {
  const Network network = zoo_network("yolov3-tiny");
  EXPECT_EQ(tensor_named(network, "pool11").shape, (Shape{512, 13, 13}));
  EXPECT_EQ(layer_window(network, layer_named(network, "pool11")).pad, Padding(0, 0, 1, 1));
  EXPECT_EQ(layer_window(network, layer_named(network, "pool9")).pad, Padding());
  ASSERT_EQ(network.outputs.size(), 2u);
  EXPECT_EQ(network.tensors[network.outputs[1]].shape, (Shape{255, 26, 26}));
}

TEST(Zoo, mlperf_tinys_networks_are_padded_as_tensorflow_does) {
  const auto pad = [](const char* network, const char* layer, std::optional<Shape> image = {}) {
    return layer_named(zoo_network(network, image), layer).pad;
  };
  EXPECT_EQ(pad("resnet8", "conv1"), 1);
  EXPECT_EQ(pad("resnet8", "blocks.1.conv1"), Padding(0, 0, 1, 1));
  EXPECT_EQ(pad("resnet8", "blocks.1.down"), 0);
  EXPECT_EQ(pad("resnet8", "blocks.1.conv1", Shape{3, 33, 32}), Padding(1, 0, 1, 1));
  EXPECT_EQ(pad("mobilenet-v1-0.25", "conv1"), Padding(0, 0, 1, 1));
  EXPECT_EQ(pad("mobilenet-v1-0.25", "blocks.11.depthwise"), Padding(0, 0, 1, 1));
  EXPECT_EQ(pad("ds-cnn", "conv1"), Padding(4, 1, 5, 1));
  EXPECT_EQ(pad("resnet20", "blocks.3.conv1"), 1);
}

TEST(Zoo, other_image_sizes_change_the_tensors) {
  const Network mobile = zoo_network("mobilenet-v2", Shape{3, 160, 96});
  EXPECT_EQ(tensor_named(mobile, "features.18.0").shape, (Shape{1280, 5, 3}));
  const Network yolo = zoo_network("yolov3-tiny", Shape{3, 64, 96});
  EXPECT_EQ(yolo.tensors[yolo.output()].shape, (Shape{255, 2, 3}));
  EXPECT_EQ(tensor_named(zoo_network("ds-cnn", Shape{1, 50, 40}), "blocks.3.pointwise").shape,
            (Shape{64, 25, 20}));
  for (const char* name : {"resnet18", "resnet8", "mobilenet-v1-0.25", "ds-cnn"})
    EXPECT_NO_THROW(zoo_network(name, Shape{3, 1, 1})) << name;
  EXPECT_NO_THROW(zoo_network("lenet", Shape{1, 12, 12}));
}

TEST(Zoo, small_images_take_a_mobilenet_whose_first_stride_is_1) {
  const Network small = zoo_network("mobilenet-v2", Shape{3, 32, 32});
  EXPECT_EQ(tensor_named(small, "features.0.0").shape, (Shape{32, 32, 32}));
  EXPECT_EQ(tensor_named(small, "features.18.0").shape, (Shape{1280, 2, 2}));
  // 3 * 25.7e6 * 60,000 MACs are an epoch: what two cores do in minutes.
  EXPECT_NEAR(static_cast<double>(total_macs(small)), 25.7e6, 0.1e6);
  EXPECT_EQ(tensor_named(zoo_network("mobilenet-v2", Shape{1, 28, 28}), "features.18.0").shape,
            (Shape{1280, 2, 2}));
  EXPECT_EQ(tensor_named(zoo_network("mobilenet-v2", Shape{3, 64, 64}), "features.18.0").shape,
            (Shape{1280, 4, 4}));
  EXPECT_EQ(tensor_named(zoo_network("mobilenet-v2", Shape{3, 65, 64}), "features.18.0").shape,
            (Shape{1280, 3, 2}));
}

TEST(Zoo, mobilenets_of_other_widths_have_the_published_parameters) {
  // timm's results table, millions.
  const std::pair<const char*, double> published[] = {{"mobilenet-v2-0.35", 1.68},
                                                      {"mobilenet-v2-0.5", 1.97},
                                                      {"mobilenet-v2-0.75", 2.64},
                                                      {"mobilenet-v2-1.0", 3.50},
                                                      {"mobilenet-v2-1.4", 6.11}};
  for (const auto& [name, millions] : published)
    EXPECT_NEAR(parameters_of(zoo_network(name)) / 1e6, millions, 0.0051) << name;
}

TEST(Zoo, a_width_is_part_of_the_name_unless_it_is_1) {
  EXPECT_EQ(zoo_network("mobilenet-v2-0.35").name, "mobilenet-v2-0.35");
  EXPECT_EQ(zoo_network("mobilenet-v2-0.350").name, "mobilenet-v2-0.35");
  EXPECT_EQ(zoo_network("mobilenet-v2-1").name, "mobilenet-v2");
  const Network narrow = zoo_network("mobilenet-v2-0.35", Shape{3, 64, 64});
  EXPECT_EQ(tensor_named(narrow, "features.0.0").shape.channels, 16);  // 11.2, down to 8 would be too far
  EXPECT_EQ(tensor_named(narrow, "features.18.0").shape.channels, 1280);
}

TEST(Zoo, widths_out_of_range_or_misspelt_are_refused) {
  for (const char* name :
       {"mobilenet-v2-", "mobilenet-v2-0", "mobilenet-v2-0.09", "mobilenet-v2-2.01", "mobilenet-v2--1",
        "mobilenet-v2-0.5x", "mobilenet-v2-1e0", "mobilenet-v2-nan", "resnet18-0.5", "mobilenet-v20.5"})
    EXPECT_THROW(zoo_network(name), InputError) << name;
}

TEST(Zoo, classifiers_have_as_many_results_as_asked_for) {
  for (const char* name : {"lenet", "mobilenet-v2", "resnet18", "resnet20", "resnet50", "resnet8",
                           "mobilenet-v1-0.25", "ds-cnn"}) {
    const Network network = zoo_network(name, Shape{1, 32, 32}, 7);
    EXPECT_EQ(network.tensors[network.output()].shape, (Shape{7, 1, 1})) << name;
    for (const int classes : {0, -1, 40'000}) EXPECT_THROW(zoo_network(name, {}, classes), InputError);
  }
  for (const char* name : {"yolov3-tiny", "ad-autoencoder"})
    EXPECT_THROW(zoo_network(name, {}, 10), InputError);
}

TEST(Zoo, image_sizes_that_do_not_fit_are_refused) {
  const std::pair<const char*, Shape> bad[] = {
      {"lenet", {2, 28, 28}},         {"lenet", {1, 11, 28}},         {"mobilenet-v2", {4, 224, 224}},
      {"yolov3", {3, 416, 400}},      {"yolov3-tiny", {3, 100, 416}}, {"yolov3", {1, 416, 416}},
      {"resnet18", {3, 100000, 224}}, {"resnet20", {3, -32, 32}},     {"ad-autoencoder", {1, 5, 128}},
      {"ad-autoencoder", {640, 2, 1}}};
  for (const auto& [name, image] : bad) EXPECT_THROW(zoo_network(name, image), InputError) << name;
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

TEST(SingleLayer, takes_windows_that_differ_by_direction) {
  const Layer layer =
      single_layer_network("conv in=8x30x40 out=8 kernel=1x7 stride=2x1 dilation=1x3 pad=0x9x1x8")
          .layers.at(0);
  EXPECT_EQ(layer.stride, Steps(2, 1));
  EXPECT_EQ(layer.dilation, Steps(1, 3));
  EXPECT_EQ(layer.pad, Padding(0, 9, 1, 8));
  EXPECT_EQ(layer.window().over({8, 30, 40}), (Shape{8, 16, 39}));
  EXPECT_EQ(single_layer_network("conv in=1x5x5 out=1 kernel=3 pad=1x2").layers.at(0).pad,
            Padding(1, 2, 1, 2));
}

TEST(SingleLayer, a_depthwise_layer_keeps_its_channels) {
  const Network network = single_layer_network("dwconv in=96x56x56 kernel=3 stride=2 pad=1");
  EXPECT_EQ(network.layers.at(0).kind, LayerKind::depthwise);
  EXPECT_EQ(network.tensors[1].shape, (Shape{96, 28, 28}));
  EXPECT_EQ(network.weight_count(network.layers[0]), 96 * 9);
  EXPECT_EQ(network.macs(network.layers[0]), 96 * 9 * 28 * 28);
  EXPECT_EQ(single_layer_network("dwconv in=8x4x4 out=8 kernel=1 out_bits=4").output_bits, 4);
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
                    "conv in=1x1x1 out=1 kernel=1 pad=1x1x1", "conv in=1x1x1 out=1 kernel=1 stride=1x1x1",
                    "conv in=3x3x3 out=1 kernel=2 dilation=3", "conv in=3x3x3 out=1 kernel=2 dilation=0",
                    "conv in=1x1x1 out=1 kernel=1 out_bits=3", "conv in=1x1x1 out=-1 kernel=1",
                    "conv in=1x1x out=1", "linear in=3x3 out=1", "linear in=3 out=1 kernel=3",
                    "linear out=1 in", "linear in=4.5 out=1", "in=3 linear out=1",
                    "dwconv in=8x4x4 out=9 kernel=1", "dwconv in=8 kernel=1", "dwconv in=8x4x4",
                    "dwconv in=8x4x4 kernel=1 out_bits=32"));

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
  network.layers[2].inputs = {77};
  EXPECT_THROW(network.validate(), InputError);
  network = zoo_network("lenet");
  network.layers[2].name = "conv1";
  EXPECT_THROW(network.validate(), InputError);
}

/// conv a and conv b read conv stem; an add and a concat read both, a pool and an upsample what they write.
Network small_graph() {
  Network network{.name = "small",
                  .tensors = {{"image", {3, 8, 8}},
                              {"stem", {4, 8, 8}},
                              {"a", {4, 8, 8}},
                              {"b", {4, 8, 8}},
                              {"sum", {4, 8, 8}},
                              {"both", {8, 8, 8}},
                              {"pooled", {4, 4, 4}},
                              {"up", {8, 16, 16}},
                              {"deep", {8, 16, 16}},
                              {"left", {2, 1, 1}},
                              {"right", {2, 1, 1}}},
                  .layers = {},
                  .input = 0,
                  .outputs = {9, 10}};
  network.layers = {
      {.name = "stem", .inputs = {0}, .output = 1, .activation = Activation::relu},
      {.name = "a", .inputs = {1}, .output = 2, .activation = Activation::relu},
      {.name = "b", .inputs = {1}, .output = 3, .activation = Activation::relu},
      {.name = "sum", .kind = LayerKind::add, .inputs = {2, 3}, .output = 4, .activation = Activation::relu},
      {.name = "both", .kind = LayerKind::concat, .inputs = {2, 3}, .output = 5},
      {.name = "pooled",
       .kind = LayerKind::average_pool,
       .inputs = {4},
       .output = 6,
       .kernel_height = 2,
       .kernel_width = 2,
       .stride = 2},
      {.name = "up", .kind = LayerKind::upsample, .inputs = {5}, .output = 7, .stride = 2},
      {.name = "deep",
       .kind = LayerKind::depthwise,
       .inputs = {7},
       .output = 8,
       .kernel_height = 3,
       .kernel_width = 3,
       .pad = 1,
       .activation = Activation::relu},
      {.name = "left", .kind = LayerKind::linear, .inputs = {6}, .output = 9},
      {.name = "right", .kind = LayerKind::linear, .inputs = {8}, .output = 10}};
  return network;
}

TEST(Validate, accepts_every_kind_of_layer) { EXPECT_NO_THROW(small_graph().validate()); }

struct Damage {
  const char* name;
  const char* layer;  ///< that the refusal names
  void (*apply)(Network&);
};
void PrintTo(const Damage& damage, std::ostream* out) { *out << damage.name; }

class Damaged : public testing::TestWithParam<Damage> {};

TEST_P(Damaged, is_refused_by_the_layers_name) {
  Network network = small_graph();
  GetParam().apply(network);
  try {
    network.validate();
    FAIL();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr(GetParam().layer));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Graphs, Damaged,
    testing::Values(
        Damage{"groups_that_channels_do_not_fall_into", "a", [](Network& n) { n.layers[1].groups = 3; }},
        Damage{"groups_of_an_add", "sum", [](Network& n) { n.layers[3].groups = 2; }},
        Damage{"select_of_no_channel", "both",
               [](Network& n) { n.layers[4].kind = LayerKind::select, n.layers[4].inputs = {2}; }},
        Damage{"select_of_a_channel_twice", "both",
               [](Network& n) {
                 n.layers[4].kind = LayerKind::select;
                 n.layers[4].inputs = {2};
                 n.layers[4].channels = {0, 1, 2, 3, 0, 1, 2, 3};
               }},
        Damage{"channels_of_a_pool", "pooled", [](Network& n) { n.layers[5].channels = {0}; }},
        Damage{"depthwise_with_filters_of_some_channels", "deep",
               [](Network& n) { n.tensors[8].shape.channels = 12; }},
        Damage{"add_of_three", "sum",
               [](Network& n) {
                 n.layers[3].inputs = {2, 3, 2};
               }},
        Damage{"add_of_one", "sum", [](Network& n) { n.layers[3].inputs = {2}; }},
        Damage{"add_of_shapes_that_differ", "sum",
               [](Network& n) {
                 n.layers[3].inputs = {2, 0};
               }},
        Damage{"leaky_add", "sum", [](Network& n) { n.layers[3].activation = Activation::leaky_relu; }},
        Damage{"slopes_of_other_filters", "a",
               [](Network& n) {
                 n.layers[1].activation = Activation::leaky_relu;
                 n.layers[1].negative_slopes = {0.1, 0.2};
               }},
        Damage{"concat_of_one", "both", [](Network& n) { n.layers[4].inputs = {2}; }},
        Damage{"concat_of_sizes_that_differ", "both",
               [](Network& n) {
                 std::swap(n.layers[4], n.layers[5]);
                 n.layers[5].inputs = {2, 6};
               }},
        Damage{"concat_with_too_few_channels", "both", [](Network& n) { n.tensors[5].shape.channels = 7; }},
        Damage{"concat_of_other_signedness", "both", [](Network& n) { n.tensors[3].is_signed = true; }},
        Damage{"conv_of_none", "stem", [](Network& n) { n.layers[0].inputs = {}; }},
        Damage{"conv_of_two", "layer a",
               [](Network& n) {
                 n.layers[1].inputs = {1, 1};
               }},
        Damage{"pool_with_other_channels", "pooled", [](Network& n) { n.tensors[6].shape.channels = 5; }},
        Damage{"pool_in_the_padding", "padding only",
               [](Network& n) {
                 n.layers[5].kind = LayerKind::max_pool;
                 n.layers[5].pad = {0, 0, 2, 2};
                 n.tensors[6].shape = {4, 5, 5};
               }},
        Damage{"pool_that_counts_nothing", "padding only",
               [](Network& n) {
                 n.layers[5].pad = n.layers[5].uncounted = {0, 0, 2, 2};
                 n.tensors[6].shape = {4, 5, 5};
               }},
        Damage{"uncounted_padding_that_is_not_there", "pooled",
               [](Network& n) { n.layers[5].uncounted = 1; }},
        Damage{"uncounted_padding_of_a_convolution", "stem",
               [](Network& n) { n.layers[0].pad = n.layers[0].uncounted = 1; }},
        Damage{"dilated_average_pool", "pooled", [](Network& n) { n.layers[5].dilation = 2; }},
        Damage{"dilation_by_none", "deep",
               [](Network& n) {
                 n.layers[7].dilation = {1, 0};
               }},
        Damage{"pool_with_activation", "pooled",
               [](Network& n) { n.layers[5].activation = Activation::relu; }},
        Damage{"function_of_no_meaning", "pooled",
               [](Network& n) {
                 n.layers[5] = {.name = "pooled", .kind = LayerKind::function, .inputs = {4}, .output = 6};
                 n.layers[5].function = "x sigmoid mul";
               }},
        Damage{"product_of_two_images", "sum",
               [](Network& n) {
                 n.layers[3] = {.name = "sum", .kind = LayerKind::product, .inputs = {2, 3}, .output = 4};
               }},
        Damage{"upsample_to_another_size", "up", [](Network& n) { n.layers[6].stride = 3; }},
        Damage{"upsample_by_none", "up", [](Network& n) { n.layers[6].stride = 0; }},
        Damage{"upsample_by_too_many", "up", [](Network& n) { n.layers[6].stride = 1 << 30; }},
        Damage{"depthwise_with_other_channels", "deep", [](Network& n) { n.tensors[8].shape.channels = 9; }},
        Damage{"image_into_a_pool", "pooled",
               [](Network& n) {
                 n.layers[5].inputs = {0};
                 n.tensors[6].shape = {3, 4, 4};
               }},
        Damage{"result_that_is_read", "right",
               [](Network& n) {
                 n.outputs = {8, 10};
                 n.output_bits = 8;
               }},
        Damage{"result_of_a_pool", "pooled",
               [](Network& n) {
                 n.outputs = {6, 10};
                 n.layers.erase(n.layers.begin() + 8);
               }}),
    [](const auto& test) { return test.param.name; });

/// small_graph() that ends where `result` is written; layers behind it are gone.
Network ending_in(int result, int output_bits) {
  Network network = small_graph();
  std::erase_if(network.layers, [&](const Layer& layer) { return layer.output > result; });
  network.outputs = {result};
  network.output_bits = output_bits;
  derive_signedness(network);
  return network;
}

TEST(Validate, results_of_at_most_8_bits_may_come_from_every_layer_that_requantizes) {
  for (const int result : {1, 4, 6, 8}) {  // conv, add, average pool, depthwise
    for (const int bits : {0, 2, 4, 8}) EXPECT_NO_THROW(ending_in(result, bits).validate()) << result;
    if (result == 1) continue;
    EXPECT_THROW(ending_in(result, 32).validate(), InputError) << result;
  }
  for (const int result : {5, 7}) EXPECT_THROW(ending_in(result, 8).validate(), InputError) << result;
}

TEST(Validate, results_of_at_most_8_bits_are_signed_as_other_tensors_are) {
  EXPECT_FALSE(ending_in(6, 8).tensors[6].is_signed);
  Network network = ending_in(6, 8);
  network.layers[3].activation = Activation::none;  // the add that the average pool reads
  derive_signedness(network);
  EXPECT_TRUE(network.tensors[6].is_signed);
  network.output_bits = 1;
  EXPECT_THROW(network.validate(), InputError);
}

TEST(Validate, refuses_widths_of_results_that_no_hardware_writes) {
  for (const int bits : {-1, 3, 16, 64}) EXPECT_THROW(ending_in(1, bits).validate(), InputError) << bits;
}

TEST(Validate, refuses_outputs_that_no_layer_writes) {
  Network network = small_graph();
  for (const std::vector<int>& outputs : {std::vector<int>{}, {11}, {-1}, {0}}) {
    network.outputs = outputs;
    EXPECT_THROW(network.validate(), InputError);
  }
}

TEST(WidthClasses, layers_that_keep_codes_join_all_their_tensors) {
  EXPECT_THAT(width_classes(small_graph()), testing::ElementsAre(0, 1, 2, 2, 4, 2, 6, 2, 8, 9, 10));
}

TEST(Signedness, follows_activations_classes_and_average_pools) {
  Network network = small_graph();
  const auto derived = [&] {
    derive_signedness(network);
    std::string names;
    for (const Tensor& tensor : network.tensors) names += tensor.is_signed ? tensor.name + " " : "";
    return names;
  };
  EXPECT_EQ(derived(), "");  // results of 32 bits are not
  network.layers[2].activation = Activation::leaky_relu;
  EXPECT_EQ(derived(), "a b both up ");
  network.layers[3].activation = Activation::none;
  EXPECT_EQ(derived(), "a b sum both pooled up ");
  network.validate();
}

TEST(Signedness, of_a_function_is_that_of_its_least_result) {
  Network network = small_graph();
  network.layers[5] = {.name = "pooled", .kind = LayerKind::function, .inputs = {4}, .output = 6};
  network.tensors[6].shape = network.tensors[4].shape;
  network.layers[3].activation = Activation::none;
  for (const auto& [function, is_signed] :
       {std::pair{"x sigmoid", false}, {"x tanh", true}, {"x x sigmoid mul", true}, {"x 0 max", false}}) {
    network.layers[5].function = function;
    derive_signedness(network);
    EXPECT_EQ(network.tensors[6].is_signed, is_signed) << function;
    network.validate();
  }
}

TEST(Signedness, of_an_average_pool_follows_what_a_later_layer_does_to_its_class) {
  Network network = small_graph();
  network.layers[5].inputs = {2};
  network.layers[2].activation = Activation::none;
  derive_signedness(network);
  EXPECT_TRUE(network.tensors[6].is_signed);
}

TEST(Limits, in_a_row_are_the_narrower_ones_and_the_later_step) {
  const Limits first{-1, 4, 0.5}, next{0, 6, 0};
  EXPECT_EQ(first.then(next), (Limits{0, 4, 0.5}));
  EXPECT_EQ(first.then({.step = 0.25}), (Limits{-1, 4, 0.25}));
  EXPECT_EQ(Limits().then(first), first);
  EXPECT_FALSE(Limits().any());
}

TEST(Limits, of_results_are_those_of_activation_and_tensor_and_say_whether_codes_are_signed) {
  Network network = single_layer_network("conv in=4x8x8 out=4 kernel=1");
  Layer& layer = network.layers.front();
  Limits& limits = network.tensors[layer.output].limits;
  network.output_bits = 8;
  layer.activation = Activation::none;
  limits = {.low = -2, .high = 3};
  derive_signedness(network);
  EXPECT_TRUE(network.tensors[layer.output].is_signed);
  EXPECT_EQ(network.result_limits(layer), limits);
  limits.low = 0.5;
  derive_signedness(network);
  EXPECT_FALSE(network.tensors[layer.output].is_signed);
  layer.activation = Activation::relu6;
  limits = {.low = -2, .high = 8};
  EXPECT_EQ(network.result_limits(layer), (Limits{0, 6, 0}));
  limits.high = -2;
  EXPECT_THROW(network.validate(), InputError);
}

}  // namespace
}  // namespace bitloop::host::test
