#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>

#include "quant/onnx/import.h"
#include "tests/quant/files.h"
#include "tests/quant/fixtures.h"
#include "tests/quant/onnx/models.h"

namespace bitloop::quant {
namespace {

constexpr double kTolerance = 1e-5;  // of the largest result

std::vector<float> results_of(const FloatNetwork& model) {
  const host::Shape& image = model.network.tensors.at(model.network.input).shape;
  return run_float(model, random_floats(2 * static_cast<std::size_t>(image.elements()), 7, -3, 3));
}

using Build = std::function<void(OnnxModel&)>;

/// One function in two words: a form, and a plain one that other tests compare with OpenCV.
struct Pair {
  std::string name;
  Build form, plain;
  int opset = 13;
};
void PrintTo(const Pair& pair, std::ostream* stream) { *stream << pair.name; }

class GraphForms : public ::testing::TestWithParam<Pair> {};

TEST_P(GraphForms, compute_what_plain_ones_do) {
  OnnxModel form(GetParam().opset), plain;
  GetParam().form(form);
  GetParam().plain(plain);
  EXPECT_LT(relative_error(results_of(imported(form)), results_of(imported(plain))), kTolerance);
}

/// x (4x6x6) -> conv -> a
OnnxModel& first(OnnxModel& m) {
  m.input("x", {2, 4, 6, 6}).weights("first.weight", {4, 4, 1, 1});
  return m.node("Conv", {"x", "first.weight"}, "a");
}
/// b -> conv -> y
OnnxModel& last(OnnxModel& m, std::int64_t channels = 4) {
  m.weights("last.weight", {3, channels, 1, 1});
  return m.node("Conv", {"b", "last.weight"}, "y").output("y");
}

std::vector<Pair> pairs() {
  const Sizes nhwc{0, 2, 3, 1}, nchw{0, 3, 1, 2};
  const auto identity = [](OnnxModel& m, const std::string& from, const std::string& to) {
    m.floats(to + ".one", {4, 1, 1, 1}, {1, 1, 1, 1});
    m.node("Conv", {from, to + ".one"}, to, {{"group", std::int64_t{4}}});
  };
  return {
      {"relu_beside_another_reader",
       [](OnnxModel& m) {
         last(first(m).node("Relu", {"a"}, "c").node("Add", {"a", "c"}, "b"));
       },
       [=](OnnxModel& m) {
         identity(first(m), "a", "c0");
         last(m.node("Relu", {"c0"}, "c").node("Add", {"a", "c"}, "b"));
       }},
      {"leaky_relu_after_add",
       [](OnnxModel& m) {
         last(first(m).node("Add", {"a", "a"}, "c").node("LeakyRelu", {"c"}, "b"));
       },
       [=](OnnxModel& m) {
         identity(first(m).node("Add", {"a", "a"}, "c"), "c", "d");
         last(m.node("LeakyRelu", {"d"}, "b"));
       }},
      {"relu_after_an_average",
       [](OnnxModel& m) {
         first(m).node("AveragePool", {"a"}, "c", {{"kernel_shape", Sizes{2, 2}}});
         last(m.node("Relu", {"c"}, "b"));
       },
       [=](OnnxModel& m) {
         first(m).node("AveragePool", {"a"}, "c", {{"kernel_shape", Sizes{2, 2}}});
         identity(m, "c", "d");
         last(m.node("Relu", {"d"}, "b"));
       }},
      {"factors_and_offsets_after_a_relu",
       [](OnnxModel& m) {
         first(m).node("Relu", {"a"}, "c").weights("k", {4, 1, 1}).scalar("s", 2);
         last(m.node("Mul", {"c", "k"}, "d").node("Sub", {"s", "d"}, "b"));
       },
       [](OnnxModel& m) {
         first(m).node("Relu", {"a"}, "c").weights("k", {4, 1, 1}).floats("two", {4}, {2, 2, 2, 2});
         auto k = random_floats(4, std::hash<std::string>()("k"));
         for (float& value : k) value = -value;
         m.floats("w", {4, 1, 1, 1}, k).node("Conv", {"c", "w", "two"}, "b", {{"group", std::int64_t{4}}});
         last(m);
       }},
      {"sum_of_three",
       [](OnnxModel& m) {
         first(m).node("Relu", {"a"}, "r").node("MaxPool", {"a"}, "p", {{"kernel_shape", Sizes{1, 1}}});
         last(m.node("Sum", {"a", "r", "p"}, "b"));
       },
       [](OnnxModel& m) {
         first(m).node("Relu", {"a"}, "r").node("MaxPool", {"a"}, "p", {{"kernel_shape", Sizes{1, 1}}});
         last(m.node("Add", {"a", "r"}, "c").node("Add", {"c", "p"}, "b"));
       }},
      {"difference",
       [](OnnxModel& m) {
         last(first(m).node("Relu", {"a"}, "r").node("Sub", {"a", "r"}, "b"));
       },
       [](OnnxModel& m) {
         first(m).node("Relu", {"a"}, "r").scalar("minus", -1).node("Mul", {"r", "minus"}, "n");
         last(m.node("Add", {"a", "n"}, "b"));
       }},
      {"nodes_in_any_order",
       [](OnnxModel& m) {
         last(first(m).node("Relu", {"a"}, "b"));
         std::ranges::reverse(*m.proto().mutable_graph()->mutable_node());
       },
       [](OnnxModel& m) { last(first(m).node("Relu", {"a"}, "b")); }},
      {"channels_last_between_transposes",
       [=](OnnxModel& m) {
         first(m).node("Transpose", {"a"}, "c", {{"perm", nhwc}}).weights("k", {4});
         m.node("Add", {"c", "k"}, "d").node("Relu", {"d"}, "e").node("Mul", {"e", "k"}, "f");
         last(m.node("Transpose", {"f"}, "b", {{"perm", nchw}}));
       },
       [](OnnxModel& m) {
         first(m).weights("k", {4}).integers("ones", {4, 1, 1}).node("Reshape", {"k", "ones"}, "l");
         last(m.node("Add", {"a", "l"}, "d").node("Relu", {"d"}, "e").node("Mul", {"e", "l"}, "b"));
       }},
      {"channels_last_flattened",
       [=](OnnxModel& m) {
         first(m).node("Transpose", {"a"}, "c", {{"perm", nhwc}}).integers("s", {-1, 144});
         m.weights("w", {144, 3}).node("Reshape", {"c", "s"}, "f").node("MatMul", {"f", "w"}, "y");
         m.output("y");
       },
       [](OnnxModel& m) {
         first(m).node("Flatten", {"a"}, "f");
         const auto given = random_floats(std::size_t{144} * 3, std::hash<std::string>()("w"));
         std::vector<float> moved(given.size());
         for (std::size_t c = 0; c < 4; ++c)
           for (std::size_t p = 0; p < 36; ++p)
             for (std::size_t o = 0; o < 3; ++o) moved[(c * 36 + p) * 3 + o] = given[(p * 4 + c) * 3 + o];
         m.floats("w", {144, 3}, moved).node("MatMul", {"f", "w"}, "y").output("y");
       }},
      {"one_number_times_a_flattened_map",
       [](OnnxModel& m) {
         first(m).node("Relu", {"a"}, "r").node("Flatten", {"r"}, "f").scalar("s", 0.5F);
         m.node("Mul", {"f", "s"}, "g").weights("w", {144, 3}).node("MatMul", {"g", "w"}, "y").output("y");
       },
       [](OnnxModel& m) {
         first(m).scalar("s", 0.5F).node("Mul", {"a", "s"}, "h").node("Relu", {"h"}, "r");
         m.node("Flatten", {"r"}, "f").weights("w", {144, 3}).node("MatMul", {"f", "w"}, "y").output("y");
       }},
      {"linear_layer_on_the_image",
       [](OnnxModel& m) {
         m.input("x", {2, 4, 6, 6}).node("Flatten", {"x"}, "f").weights("w", {3, 144});
         m.node("Gemm", {"f", "w"}, "y", {{"transB", std::int64_t{1}}}).output("y");
       },
       [](OnnxModel& m) {
         m.input("x", {2, 4, 6, 6}).weights("w", {3, 4, 6, 6}).node("Conv", {"x", "w"}, "y").output("y");
       }},
      {"pool_add_and_depthwise_on_the_image",
       [](OnnxModel& m) {
         m.input("x", {2, 4, 6, 6}).weights("d", {4, 1, 3, 3});
         m.node("Conv", {"x", "d"}, "e", {{"group", std::int64_t{4}}, {"pads", Sizes{1, 1, 1, 1}}});
         m.node("Add", {"e", "x"}, "f").node("Concat", {"f", "x"}, "g", {{"axis", std::int64_t{1}}});
         last(m.node("MaxPool", {"g"}, "b", {{"kernel_shape", Sizes{2, 2}}}), 8);
       },
       [](OnnxModel& m) {
         std::vector<float> ones(16);
         for (std::size_t c = 0; c < 4; ++c) ones[c * 5] = 1;
         m.input("x", {2, 4, 6, 6}).floats("one", {4, 4, 1, 1}, ones).node("Conv", {"x", "one"}, "i");
         m.weights("d", {4, 1, 3, 3});
         m.node("Conv", {"i", "d"}, "e", {{"group", std::int64_t{4}}, {"pads", Sizes{1, 1, 1, 1}}});
         m.node("Add", {"e", "i"}, "f").node("Concat", {"f", "i"}, "g", {{"axis", std::int64_t{1}}});
         last(m.node("MaxPool", {"g"}, "b", {{"kernel_shape", Sizes{2, 2}}}), 8);
       }},
      {"signal",
       [](OnnxModel& m) {
         m.input("x", {2, 4, 36}).weights("w", {5, 4, 3}).weights("k", {5}).weights("v", {2, 5, 1});
         m.node("Conv", {"x", "w", "k"}, "a", {{"strides", Sizes{2}}}).node("Relu", {"a"}, "r");
         m.node("MaxPool", {"r"}, "p", {{"kernel_shape", Sizes{2}}})
             .node("Conv", {"p", "v"}, "y")
             .output("y");
       },
       [](OnnxModel& m) {
         m.input("x", {2, 4, 1, 36}).weights("w", {5, 4, 1, 3}).weights("k", {5}).weights("v", {2, 5, 1, 1});
         m.node("Conv", {"x", "w", "k"}, "a", {{"strides", Sizes{1, 2}}}).node("Relu", {"a"}, "r");
         m.node("MaxPool", {"r"}, "p", {{"kernel_shape", Sizes{1, 2}}}).node("Conv", {"p", "v"}, "y");
         m.output("y");
       }},
      {"vector",
       [](OnnxModel& m) {
         m.input("x", {2, 144}).weights("w", {144, 5}).weights("k", {5}).weights("v", {5, 2});
         m.node("MatMul", {"x", "w"}, "a").node("Add", {"a", "k"}, "b").node("Relu", {"b"}, "c");
         m.node("MatMul", {"c", "v"}, "y").output("y");
       },
       [](OnnxModel& m) {
         m.input("x", {2, 144, 1, 1}).node("Flatten", {"x"}, "f").weights("w", {144, 5}).weights("k", {5});
         m.weights("v", {5, 2}).node("Gemm", {"f", "w", "k"}, "a").node("Relu", {"a"}, "c");
         m.node("MatMul", {"c", "v"}, "y").output("y");
       }},
  };
}

INSTANTIATE_TEST_SUITE_P(Onnx, GraphForms, ::testing::ValuesIn(pairs()),
                         [](const auto& instance) { return instance.param.name; });

TEST(GraphForms, a_result_that_is_read_or_keeps_codes_gets_a_layer_of_its_own) {
  OnnxModel model;
  last(first(model).node("Relu", {"a"}, "b"));
  model.node("MaxPool", {"b"}, "p", {{"kernel_shape", Sizes{2, 2}}}).output("b").output("p");
  const FloatNetwork network = imported(model);
  ASSERT_EQ(network.network.outputs.size(), 3U);
  EXPECT_EQ(network.network.output_bits, 8);
  std::vector<std::string> last_names;
  for (const int output : network.network.outputs)
    last_names.push_back(network.network.tensors.at(output).name);
  EXPECT_EQ(last_names, (std::vector<std::string>{"last", "first.result", "p.MaxPool.result"}));
}

TEST(GraphForms, outputs_cut_the_graph) {
  OnnxModel model;
  last(first(model).node("Relu", {"a"}, "b"));
  model.node("NonMaxSuppression", {"y"}, "boxes").output("boxes");
  EXPECT_EQ(imported(model, {.outputs = {"y"}}).network.layers.size(), 2U);
  EXPECT_EQ(imported(model, {.outputs = {"b", "y"}}).network.outputs.size(), 2U);
}

TEST(GraphForms, free_sizes_are_given) {
  OnnxModel model;
  model.input("x", {-1, 3, -1, -1}).weights("c.weight", {4, 3, 1, 1}).node("Conv", {"x", "c.weight"}, "y");
  model.output("y");
  const FloatNetwork network = imported(model, {.image = host::Shape{3, 5, 7}});
  EXPECT_EQ(network.network.tensors.at(network.network.input).shape, (host::Shape{3, 5, 7}));
}

TEST(GraphForms, bytes_are_pixels) {
  OnnxModel model;
  model.input("x", {1, 3, 4, 4}).node("Cast", {"x"}, "f", {{"to", std::int64_t{onnx::TensorProto::FLOAT}}});
  model.weights("c.weight", {4, 3, 1, 1}).node("Conv", {"f", "c.weight"}, "y").output("y");
  auto& type = *model.proto().mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type();
  type.set_elem_type(onnx::TensorProto::UINT8);
  const FloatNetwork network = imported(model);
  EXPECT_EQ(network.mean, (std::vector<float>{0, 0, 0}));
  EXPECT_EQ(network.deviation, (std::vector<float>(3, 1.0F / 255)));
}

/// (x - mean) / deviation on the image is left to its pixels: padding with zero stays exact.
TEST(GraphForms, what_normalizes_the_image_joins_mean_and_deviation) {
  OnnxModel model;
  model.input("x", {1, 3, 4, 4})
      .floats("m", {1, 3, 1, 1}, {124, 116, 104})
      .floats("d", {3, 1, 1}, {58, 57, 64});
  model.node("Sub", {"x", "m"}, "s").node("Div", {"s", "d"}, "n").weights("c.weight", {4, 3, 3, 3});
  model.node("Conv", {"n", "c.weight"}, "y", {{"pads", Sizes{1, 1, 1, 1}}}).output("y");
  const FloatNetwork network = imported(model);
  EXPECT_EQ(network.network.layers.size(), 1U);
  EXPECT_TRUE(network.mean.empty());
  EXPECT_TRUE(network.own.of_bytes());
  for (std::size_t c = 0; c < 3; ++c) {
    EXPECT_NEAR(network.own.mean.at(c), (std::vector<float>{124, 116, 104})[c], 1e-4);
    EXPECT_NEAR(network.own.deviation.at(c), (std::vector<float>{58, 57, 64})[c], 1e-4);
  }
  auto& type = *model.proto().mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type();
  type.set_elem_type(onnx::TensorProto::UINT8);
  EXPECT_NEAR(imported(model).mean.at(0), 124.0 / 255, 1e-6);
  EXPECT_NEAR(imported(model).deviation.at(2), 64.0 / 255, 1e-6);
}

TEST(GraphForms, what_no_pixel_could_pad_becomes_a_convolution) {
  OnnxModel model;
  model.input("x", {1, 3, 4, 4}).floats("m", {1, 3, 1, 1}, {-0.5F, 0, 0}).weights("c.weight", {4, 3, 3, 3});
  model.node("Sub", {"x", "m"}, "n").node("Conv", {"n", "c.weight"}, "y").output("y");
  const FloatNetwork network = imported(model);
  ASSERT_EQ(network.network.layers.size(), 2U);
  EXPECT_EQ(network.network.layers.front().kind, host::LayerKind::conv);
  EXPECT_TRUE(network.own.empty());
}

TEST(GraphForms, an_image_of_many_channels_is_padded_and_dilated_behind_a_convolution_of_one_tap) {
  for (const char* attribute : {"pads", "dilations", "strides"}) {
    OnnxModel model;
    model.input("x", {1, 6, 7, 7}).weights("c.weight", {4, 6, 3, 3});
    const Sizes sizes = attribute == std::string("pads") ? Sizes{0, 0, 1, 1} : Sizes{2, 2};
    model.node("Conv", {"x", "c.weight"}, "y", {{attribute, sizes}}).output("y");
    const host::Network network = imported(model).network;
    const bool copied = attribute != std::string("strides");
    ASSERT_EQ(network.layers.size(), copied ? 2U : 1U) << attribute;
    EXPECT_EQ(network.layers.front().name, copied ? "x.copy" : "c");
  }
}

TEST(GraphForms, channels_last_images_are_told_by_their_readers) {
  OnnxModel model;
  model.input("x", {1, 5, 7, 3}).node("Transpose", {"x"}, "t", {{"perm", Sizes{0, 3, 1, 2}}});
  model.weights("c.weight", {4, 3, 1, 1}).node("Conv", {"t", "c.weight"}, "y").output("y");
  const FloatNetwork network = imported(model);
  EXPECT_EQ(network.network.tensors.at(network.network.input).shape, (host::Shape{3, 5, 7}));
}

/// Weights of 1.5, -0.25, the least float16 and -0.
TEST(GraphForms, weights_of_sixteen_bits_are_read) {
  const auto weights = [](const std::string& raw, int type) {
    OnnxModel model;
    model.input("x", {1, 4, 1, 1}).bytes("w", {1, 4, 1, 1}, raw, type).node("Conv", {"x", "w"}, "y");
    return imported(model.output("y")).parameters.at(0).weight;
  };
  const std::string half("\x00\x3e\x00\xb4\x01\x00\x00\x80", 8), brain("\xc0\x3f\x80\xbe\x01\x00\x00\x80", 8);
  EXPECT_EQ(weights(half, onnx::TensorProto::FLOAT16),
            (std::vector<float>{1.5F, -0.25F, std::ldexp(1.0F, -24), -0.0F}));
  EXPECT_EQ(weights(brain, onnx::TensorProto::BFLOAT16),
            (std::vector<float>{1.5F, -0.25F, std::ldexp(1.0F, -133), -0.0F}));
}

/// A network whose weights lie in another file.
class ExternalWeights : public ::testing::Test {
 protected:
  std::string says(const std::string& location, const std::string& offset = "4",
                   const std::string& length = "16") {
    OnnxModel model;
    model.input("x", {1, 4, 1, 1}).floats("w", {1, 4, 1, 1}, {}).node("Conv", {"x", "w"}, "y").output("y");
    auto& tensor = *model.proto().mutable_graph()->mutable_initializer(0);
    tensor.clear_raw_data();
    tensor.set_data_location(onnx::TensorProto::EXTERNAL);
    for (const auto& [key, value] :
         {std::pair{"location", location}, std::pair{"offset", offset}, std::pair{"length", length}}) {
      auto& entry = *tensor.add_external_data();
      entry.set_key(key);
      entry.set_value(value);
    }
    std::filesystem::create_directories(folder_.path() / "net");
    model.save(folder_.path() / "net/net.onnx");
    return refusal([&] { weights_ = import_onnx(folder_.path() / "net/net.onnx").parameters.at(0).weight; });
  }
  void write(const std::string& name) {
    const float values[] = {0, 1, 2, 3, 4};
    std::ofstream(folder_.path() / name, std::ios::binary)
        .write(reinterpret_cast<const char*>(values), sizeof values);
  }

  TemporaryFolder folder_;
  std::vector<float> weights_;
};

TEST_F(ExternalWeights, are_read_from_beside_the_model) {
  std::filesystem::create_directories(folder_.path() / "net");
  write("net/net.data");
  EXPECT_EQ(says("net.data"), "nothing was refused");
  EXPECT_EQ(weights_, (std::vector<float>{1, 2, 3, 4}));
}

TEST_F(ExternalWeights, lie_in_a_copy_of_the_model_itself) {
  std::filesystem::create_directories(folder_.path() / "net");
  write("net/net.data");
  EXPECT_EQ(says("net.data"), "nothing was refused");
  copy_onnx(folder_.path() / "net/net.onnx", folder_.path() / "copy.onnx");
  std::filesystem::remove(folder_.path() / "net/net.data");
  EXPECT_EQ(import_onnx(folder_.path() / "copy.onnx").parameters.at(0).weight, weights_);
  EXPECT_THROW(copy_onnx(folder_.path() / "net/net.onnx", folder_.path() / "copy.onnx"), InputError);
}

TEST_F(ExternalWeights, are_read_from_nowhere_else) {
  std::filesystem::create_directories(folder_.path() / "net");
  write("outside.data");
  write("net/net.data");
  std::filesystem::create_symlink("../outside.data", folder_.path() / "net/link.data");
  const auto has = [](const std::string& text, const std::string& words) {
    return text.find(words) != std::string::npos;
  };
  EXPECT_TRUE(has(says("../outside.data"), "outside of the model's folder"));
  EXPECT_TRUE(has(says((folder_.path() / "outside.data").string()), "outside of the model's folder"));
  EXPECT_TRUE(has(says("link.data"), "outside of the model's folder"));
  EXPECT_TRUE(has(says("absent.data"), "not beside the model"));
  EXPECT_TRUE(has(says("net.data", "8"), "bytes 8 to 24 of net.data, which has 20"));
  EXPECT_TRUE(has(says("net.data", "-1"), "must be a number of bytes"));
  EXPECT_TRUE(has(says("net.data", "4", "99999999999999999"), "the file is cut off"));
}

}  // namespace
}  // namespace bitloop::quant
