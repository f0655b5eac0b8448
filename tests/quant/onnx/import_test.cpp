#include <gtest/gtest.h>

#include "quant/onnx/import.h"
#include "tests/quant/files.h"
#include "tests/quant/fixtures.h"
#include "tests/quant/onnx/models.h"

namespace bitloop::quant {
namespace {

constexpr double kTolerance = 1e-4;  // of the largest result

class GivenNetworks : public ::testing::TestWithParam<std::string> {};

TEST_P(GivenNetworks, give_what_their_exporter_computed) {
  const auto file = [](const std::string& ending) {
    return shared_folder() / "models" / (GetParam() + ending);
  };
  if (!std::filesystem::exists(file(".onnx"))) GTEST_SKIP() << file(".onnx") << " is not there";
  const FloatNetwork model = import_onnx(file(".onnx"));
  const auto results = run_float(model, read_floats(file(".input.f32")));
  EXPECT_LT(relative_error(results, read_floats(file(".output.f32"))), kTolerance);
}

INSTANTIATE_TEST_SUITE_P(Models, GivenNetworks,
                         ::testing::Values("resnet20-cifar10-jpeg", "mobilenet-v2-035-random",
                                           "squeezenet-1_1-random", "lenet-random"),
                         [](const auto& instance) {
                           std::string name = instance.param;
                           std::replace_if(
                               name.begin(), name.end(), [](char c) { return !std::isalnum(c); }, '_');
                           return name;
                         });

TEST(OnnxImport, keeps_names_of_any_language_and_replaces_what_is_none) {
  OnnxModel model;
  model.input("x", {1, 3, 4, 4});
  // A broken byte, a surrogate, an overlong form, a control character (C1), a space.
  const std::vector<std::string> names = {"\u5c641", "gr\u00f6\u00dfe",
                                          "\xff"
                                          "a\xed\xa0\x80"
                                          "b\xc0\xaf\xc2\x85 c"};
  const std::vector<std::string> tensors = {"x", "a", "b", "c"};
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string weight = names[i] + ".weight";
    model.weights(weight, {4, i == 0 ? 3 : 4, 1, 1}).node("Conv", {tensors[i], weight}, tensors[i + 1]);
  }
  model.output(tensors.back());
  const host::Network network = imported(model).network;
  EXPECT_EQ(network.layers.at(0).name, names[0]);
  EXPECT_EQ(network.layers.at(1).name, names[1]);
  EXPECT_EQ(network.layers.at(2).name, "_a___b_____c");
}

TEST(OnnxImport, cuts_global_pools_that_are_too_large_for_one_window) {
  OnnxModel model(13);
  model.input("x", {1, 3, 120, 512}).output("y").weights("w", {2, 3, 1, 1});
  model.node("Conv", {"x", "w"}, "a").node("GlobalAveragePool", {"a"}, "y");
  const TemporaryFolder folder;
  model.save(folder.path() / "net.onnx");
  const FloatNetwork read = import_onnx(folder.path() / "net.onnx");
  EXPECT_EQ(std::ranges::count(read.network.layers, host::LayerKind::average_pool, &host::Layer::kind), 2);
  const std::vector<float> image = random_floats(3 * 120 * 512, 5);
  const std::vector<float> ours = run_float(read, image), theirs = run_opencv(model, {1, 3, 120, 512}, image);
  ASSERT_EQ(ours.size(), theirs.size());
  for (std::size_t i = 0; i < ours.size(); ++i) EXPECT_NEAR(ours[i], theirs[i], 1e-5);
}

TEST(OnnxImport, functions_of_exporters_are_one_layer_however_they_are_written) {
  OnnxModel model;
  model.input("x", {1, 3, 8, 8}).weights("first.weight", {4, 3, 3, 3}).weights("last.weight", {3, 4, 1, 1});
  model.node("Conv", {"x", "first.weight"}, "a").scalar("three", 3).scalar("zero", 0).scalar("six", 6);
  model.node("Add", {"a", "three"}, "a1").node("Clip", {"a1", "zero", "six"}, "a2");
  model.node("Mul", {"a", "a2"}, "a3").node("Div", {"a3", "six"}, "b");
  model.node("Conv", {"b", "last.weight"}, "y").output("y");
  const host::Network network = imported(model).network;
  ASSERT_EQ(network.layers.size(), 3U);
  EXPECT_EQ(network.layers[1].kind, host::LayerKind::function);
  EXPECT_EQ(network.layers[1].function, "x x 3 add 0 max 6 min mul 6 div");
  EXPECT_TRUE(network.tensors[network.layers[1].output].is_signed);
}

TEST(OnnxImport, names_layers_after_their_weights_and_nodes) {
  const auto path = shared_folder() / "models/resnet20-cifar10-jpeg.onnx";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there";
  const host::Network network = import_onnx(path).network;
  EXPECT_EQ(network.name, "resnet20-cifar10-jpeg");
  EXPECT_EQ(network.tensors.at(network.input).name, "input");
  EXPECT_EQ(network.layers.front().name, "conv1");
  EXPECT_EQ(network.layers.at(3).name, "blocks.0.Add");
  EXPECT_EQ(network.layers.at(12).name, "blocks.3.down");
  EXPECT_EQ(network.layers.back().name, "fc");
  for (const host::Layer& layer : network.layers)
    EXPECT_EQ(network.tensors.at(layer.output).name, layer.name);
}

}  // namespace
}  // namespace bitloop::quant
