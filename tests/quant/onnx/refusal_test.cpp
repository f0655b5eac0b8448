#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <limits>

#include "quant/onnx/import.h"
#include "tests/quant/files.h"
#include "tests/quant/fixtures.h"
#include "tests/quant/onnx/models.h"

namespace bitloop::quant {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// The message of what import says of a model; checks that it is one line that begins with the file.
std::string refused(const OnnxModel& model) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "net.onnx";
  model.save(path);
  const std::string message = refusal([&] { import_onnx(path); });
  EXPECT_TRUE(message.starts_with(path.string() + ": ")) << message;
  EXPECT_THAT(message, Not(HasSubstr("\n")));
  return message;
}

/// A convolution "a" of the image "x" (3x8x8, result 4x8x8) and what `middle` appends from "a" to "b"; then a
/// convolution of "b" to the result "y".
OnnxModel broken(const std::function<void(OnnxModel&)>& middle, int opset = 13) {
  OnnxModel model(opset);
  model.input("x", {1, 3, 8, 8}).weights("first.weight", {4, 3, 3, 3});
  model.node("Conv", {"x", "first.weight"}, "a", {{"pads", Sizes{1, 1, 1, 1}}});
  middle(model);
  model.weights("last.weight", {3, 4, 1, 1}).node("Conv", {"b", "last.weight"}, "y").output("y");
  return model;
}

struct Refusal {
  std::string name;
  std::function<void(OnnxModel&)> middle;
  std::vector<std::string> says;
  int opset = 13;
};
void PrintTo(const Refusal& refusal, std::ostream* stream) { *stream << refusal.name; }

class Refusals : public ::testing::TestWithParam<Refusal> {};

TEST_P(Refusals, name_the_node_and_what_is_supported) {
  const std::string message = refused(broken(GetParam().middle, GetParam().opset));
  for (const std::string& words : GetParam().says) EXPECT_THAT(message, HasSubstr(words));
}

std::vector<Refusal> refusals() {
  const std::string node = "node /b/";
  const auto conv = [](OnnxModel& m, const Sizes& weights, const std::vector<OnnxModel::Named>& attributes) {
    m.weights("two.weight", weights).node("Conv", {"a", "two.weight"}, "b", attributes);
  };
  return {
      {"unknown_operator",
       [](OnnxModel& m) { m.node("Einsum", {"a"}, "b"); },
       {node + "Einsum (Einsum): this operator is not supported; docs/networks.md",
        "or end the network before it: --outputs a"}},
      {"operator_with_a_near_one",
       [](OnnxModel& m) { m.node("LRN", {"a"}, "b"); },
       {node + "LRN", "the nearest that is: BatchNormalization"}},
      {"known_operator_of_another_domain",
       [](OnnxModel& m) {
         m.node("Relu", {"a"}, "b").proto().mutable_graph()->mutable_node(1)->set_domain("com.example");
       },
       {node + "Relu", "of domain com.example is not supported"}},
      {"control_flow",
       [](OnnxModel& m) { m.node("If", {"a"}, "b"); },
       {node + "If", "export without control flow"}},
      {"grouped_conv",
       [=](OnnxModel& m) {
         conv(m, {4, 2, 1, 1}, {{"group", std::int64_t{3}}});
       },
       {node + "Conv", "its 4 channels and 4 filters do not fall into 3 groups"}},
      {"dilated_average",
       [](OnnxModel& m) {
         m.node("AveragePool", {"a"}, "b", {{"kernel_shape", Sizes{3, 3}}, {"dilations", Sizes{2, 2}}});
       },
       {node + "AveragePool", "dilations 2x2", "only 1x1 are"}},
      {"transpose_by_nothing",
       [](OnnxModel& m) {
         m.node("Transpose", {"a"}, "b", {{"perm", Sizes{}}});
       },
       {node + "Transpose", "its perm is no permutation"}},
      {"conv_of_other_channels",
       [=](OnnxModel& m) {
         conv(m, {4, 5, 1, 1}, {});
       },
       {node + "Conv", "4x5x1x1"}},
      {"conv_larger_than_its_input",
       [=](OnnxModel& m) {
         conv(m, {4, 4, 9, 9}, {});
       },
       {node + "Conv", "larger than its padded input"}},
      {"conv_by_computed_weights",
       [](OnnxModel& m) {
         m.node("Conv", {"a", "a"}, "b");
       },
       {node + "Conv", "must be a constant"}},
      {"weights_that_are_not_finite",
       [](OnnxModel& m) {
         m.floats("two.weight", {1, 4, 1, 1}, {1, 2, 3, std::numeric_limits<float>::infinity()});
         m.node("Conv", {"a", "two.weight"}, "b");
       },
       {node + "Conv", "not finite"}},
      {"other_limits",
       [](OnnxModel& m) {
         m.scalar("lo", 1).scalar("hi", 1).node("Clip", {"a", "lo", "hi"}, "b");
       },
       {node + "Clip", "limits 1 and 1", "leave no two values"}},
      {"concat_of_rows",
       [](OnnxModel& m) {
         m.node("Concat", {"a", "a"}, "b", {{"axis", std::int64_t{2}}});
       },
       {node + "Concat", "it joins dimension 2", "supported are channels"}},
      {"linear_resize",
       [](OnnxModel& m) {
         m.floats("s", {4}, {1, 1, 2, 2}).node("Resize", {"a", "", "s"}, "b", {{"mode", "linear"}});
       },
       {node + "Resize", "supported is mode nearest"}},
      {"resize_by_parts",
       [](OnnxModel& m) {
         m.floats("s", {4}, {1, 1, 1.5F, 1.5F}).node("Resize", {"a", "", "s"}, "b");
       },
       {node + "Resize", "by whole factors"}},
      {"resize_that_does_not_repeat",
       [](OnnxModel& m) {
         m.floats("s", {4}, {1, 1, 3, 3});  // position 2 of 24 rounds 2/3 up
         m.node("Resize", {"a", "", "s"}, "b", {{"coordinate_transformation_mode", "asymmetric"}});
       },
       {node + "Resize", "repeats rows and columns"}},
      {"reflecting_pad",
       [](OnnxModel& m) {
         m.integers("p", {0, 0, 1, 1, 0, 0, 1, 1}).node("Pad", {"a", "p"}, "b", {{"mode", "reflect"}});
       },
       {node + "Pad", "supported is mode constant"}},
      {"pad_before_add",
       [](OnnxModel& m) {
         m.integers("p", {0, 0, 1, 1, 0, 0, 1, 1}).node("Pad", {"a", "p"}, "c").node("Add", {"c", "c"}, "b");
       },
       {node + "Add", "result of a Pad"}},
      {"max_pool_of_padded_negatives",
       [](OnnxModel& m) {
         m.integers("p", {0, 0, 1, 1, 0, 0, 1, 1}).node("Pad", {"a", "p"}, "c");
         m.node("MaxPool", {"c"}, "b", {{"kernel_shape", Sizes{3, 3}}});
       },
       {node + "MaxPool", "may be negative"}},
      {"transpose_that_moves_elements",
       [](OnnxModel& m) {
         m.node("Transpose", {"a"}, "b", {{"perm", Sizes{0, 2, 3, 1}}});
       },
       {"node /y/Conv", "reads channels last"}},
      {"reshape_that_mixes_images",
       [](OnnxModel& m) {
         m.integers("s", {4, 1, 8, 8}).node("Reshape", {"a", "s"}, "b");
       },
       {node + "Reshape", "the batch"}},
      {"reshape_before_conv",
       [](OnnxModel& m) {
         m.integers("s", {1, 4, 4, 16}).node("Reshape", {"a", "s"}, "b");
       },
       {"node /y/Conv", "reshaped to 1x4x4x16 from 4x8x8"}},
      {"softmax_in_the_middle",
       [](OnnxModel& m) {
         m.node("Softmax", {"a"}, "b", {{"axis", std::int64_t{1}}});
       },
       {"node /y/Conv", "it reads a softmax"}},
      {"broadcast_add",
       [](OnnxModel& m) {
         m.node("MaxPool", {"a"}, "c", {{"kernel_shape", Sizes{2, 2}}, {"strides", Sizes{2, 2}}});
         m.node("Add", {"a", "c"}, "b");
       },
       {node + "Add", "1x4x8x8 and 1x4x4x4", "one shape"}},
      {"constant_per_position",
       [](OnnxModel& m) {
         m.weights("k", {1, 4, 8, 8}).node("Add", {"a", "k"}, "b");
       },
       {node + "Add", "one number per channel"}},
      {"training_batch_norm",
       [](OnnxModel& m) {
         m.positive("p", {4}).node("BatchNormalization", {"a", "p", "p", "p", "p"}, "b",
                                   {{"training_mode", std::int64_t{1}}});
       },
       {node + "BatchNormalization", "inference"},
       15},
      {"gather_of_a_tensor",
       [](OnnxModel& m) {
         m.integers("i", {0}).node("Gather", {"a", "i"}, "b", {{"axis", std::int64_t{2}}});
       },
       {node + "Gather", "1 of the 8 entries of dimension 2", "supported are channels"}},
      {"gather_twice",
       [](OnnxModel& m) {
         m.integers("i", {0, 1, 1, 3}).node("Gather", {"a", "i"}, "b", {{"axis", std::int64_t{1}}});
       },
       {node + "Gather", "a channel twice"}},
      {"split_into_other_sizes",
       [](OnnxModel& m) {
         m.integers("n", {1, 2}).node("Split", {"a", "n"}, "b", {{"axis", std::int64_t{1}}});
       },
       {node + "Split", "its parts of 1, 2 do not make 4"}},
      {"slice_of_rows",
       [](OnnxModel& m) {
         m.integers("s", {1}).integers("e", {9}).integers("axes", {2});
         m.node("Slice", {"a", "s", "e", "axes"}, "b");
       },
       {node + "Slice", "7 of the 8 entries of dimension 2"}},
      {"missing_input",
       [](OnnxModel& m) { m.node("Relu", {"nowhere"}, "b"); },
       {node + "Relu", "it reads nowhere, which is no first result"}},
      {"cycle",
       [](OnnxModel& m) {
         m.node("Add", {"a", "d"}, "c").node("Relu", {"c"}, "d").node("Relu", {"d"}, "b");
       },
       {"depend on their own results", "Add", "on c"}},
      {"self_reference",
       [](OnnxModel& m) { m.node("Relu", {"b"}, "b"); },
       {"depend on their own results", "on b"}},
      {"name_written_twice",
       [](OnnxModel& m) {
         m.node("Identity", {"a"}, "c").node("Dropout", {"a"}, "c").node("Relu", {"c"}, "b");
       },
       {"are named c"}},
      {"external_weights",
       [](OnnxModel& m) {
         m.weights("two.weight", {4, 4, 1, 1}).node("Conv", {"a", "two.weight"}, "b");
         auto& initializers = *m.proto().mutable_graph()->mutable_initializer();
         initializers[initializers.size() - 1].set_data_location(onnx::TensorProto::EXTERNAL);
       },
       {"tensor two.weight", "lies in another file, which the model does not name"}},
      {"weights_shorter_than_their_shape",
       [](OnnxModel& m) {
         m.floats("two.weight", {4, 4, 1, 1}, {1, 2, 3}).node("Conv", {"a", "two.weight"}, "b");
       },
       {"tensor two.weight", "holds 12 bytes", "needs 64"}},
      {"shape_that_overflows",
       [](OnnxModel& m) {
         m.floats("two.weight", {std::int64_t{1} << 40, std::int64_t{1} << 40, 1, 1}, {});
         m.node("Conv", {"a", "two.weight"}, "b");
       },
       {"tensor two.weight", "impossible shape"}},
      {"more_bytes_than_can_be_counted",
       [](OnnxModel& m) {
         m.floats("two.weight", {std::int64_t{1} << 62, 1, 1, 1}, {}).node("Conv", {"a", "two.weight"}, "b");
       },
       {"tensor two.weight", "impossible shape"}},
      {"string_weights",
       [](OnnxModel& m) {
         m.bytes("two.weight", {4, 4, 1, 1}, "", onnx::TensorProto::STRING)
             .node("Conv", {"a", "two.weight"}, "b");
       },
       {"tensor two.weight", "is of type string"}},
      {"attribute_of_another_type",
       [=](OnnxModel& m) {
         conv(m, {4, 4, 1, 1}, {{"group", 1.0F}});
       },
       {node + "Conv", "attribute group"}},
      {"huge_constant_of_shape",
       [](OnnxModel& m) {
         m.integers("s", {1 << 30, 1 << 30}).node("ConstantOfShape", {"s"}, "c").node("Add", {"a", "c"}, "b");
       },
       {"node /c/ConstantOfShape", "4096"}},
      {"constant_of_many_dimensions",
       [](OnnxModel& m) {
         m.integers("s", Sizes(1000, 1)).node("ConstantOfShape", {"s"}, "c").node("Add", {"a", "c"}, "b");
       },
       {"node /c/ConstantOfShape", "at most 8 integers"}},
      {"identity_of_nothing",
       [](OnnxModel& m) { m.node("Identity", {}, "b"); },
       {node, "input 0 is missing"}},
      {"largest_of_two_constants",
       [](OnnxModel& m) {
         m.scalar("two", 2).node("Max", {"two", "two"}, "c").node("Add", {"a", "c"}, "b");
       },
       {"node /c/Max", "input 0 is a constant"}},
      {"pool_beyond_all_integers",
       [](OnnxModel& m) {
         m.node("MaxPool", {"a"}, "b", {{"kernel_shape", Sizes{1LL << 60, 1}}, {"dilations", Sizes{16, 1}}});
       },
       {node + "MaxPool", "each 1..65535"}},
      {"transposed_convolution_beyond_all_integers",
       [](OnnxModel& m) {
         constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
         m.weights("two.weight", {4, 4, 1, 1});
         m.node("ConvTranspose", {"a", "two.weight"}, "b", {{"pads", Sizes{0, 0, 0, kMost}}});
       },
       {node + "ConvTranspose", "at most 255"}},
      {"split_into_parts_whose_sum_overflows",
       [](OnnxModel& m) {
         constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
         m.integers("n", {kMost, kMost, 6}).node("Split", {"a", "n"}, "b", {{"axis", std::int64_t{1}}});
         for (const char* more : {"b1", "b2"})
           m.proto().mutable_graph()->mutable_node()->rbegin()->add_output(more);
       },
       {node + "Split", "do not make 4"}},
  };
}

INSTANTIATE_TEST_SUITE_P(Onnx, Refusals, ::testing::ValuesIn(refusals()),
                         [](const auto& instance) { return instance.param.name; });

OnnxModel small(const Sizes& image, int opset = 13) {
  OnnxModel model(opset);
  model.input("x", image).weights("c.weight", {4, 3, 3, 3}).node("Conv", {"x", "c.weight"}, "y").output("y");
  return model;
}

TEST(OnnxRefusal, names_the_free_dimension) {
  EXPECT_THAT(refused(small({1, 3, -1, 8})), HasSubstr("input x has a free height: say it with --input"));
  EXPECT_THAT(refused(small({1, 3, 8, 0})), HasSubstr("input x has a free width"));
  EXPECT_THAT(refused(small({1, -1, 8, 8})), HasSubstr("input x has a free number of channels"));
}

TEST(OnnxRefusal, accepts_a_dynamic_batch) {
  const TemporaryFolder folder;
  small({-1, 3, 8, 8}).save(folder.path() / "net.onnx");
  EXPECT_EQ(import_onnx(folder.path() / "net.onnx").network.layers.size(), 1U);
}

TEST(OnnxRefusal, names_the_operator_sets) {
  for (const int opset : {1, 6, 23, 1 << 30})
    EXPECT_THAT(refused(small({1, 3, 8, 8}, opset)), HasSubstr("supported are 7 to 22"));
  for (const int opset : {7, 22}) {
    const TemporaryFolder folder;
    small({1, 3, 8, 8}, opset).save(folder.path() / "net.onnx");
    EXPECT_NO_THROW(import_onnx(folder.path() / "net.onnx"));
  }
}

TEST(OnnxRefusal, wants_one_input_of_two_to_four_dimensions) {
  for (const Sizes& sizes : {Sizes{3}, Sizes{1, 3, 8, 8, 8}})
    EXPECT_THAT(refused(small(sizes)), HasSubstr("batch x channels x height x width"));
  OnnxModel two = small({1, 3, 8, 8});
  two.input("mask", {1, 1, 8, 8});
  EXPECT_THAT(refused(two), HasSubstr("inputs x and mask; supported is one"));
  OnnxModel none = small({1, 3, 8, 8});
  none.proto().mutable_graph()->clear_input();
  EXPECT_THAT(refused(none), HasSubstr("no input"));
  OnnxModel huge = small({1, 3, 100000, 8});
  EXPECT_THAT(refused(huge), HasSubstr("height of 100000; at most 65535"));
}

TEST(OnnxRefusal, wants_results_that_a_layer_writes) {
  OnnxModel none = small({1, 3, 8, 8});
  none.proto().mutable_graph()->clear_output();
  EXPECT_THAT(refused(none), HasSubstr("no output"));
  OnnxModel unknown = small({1, 3, 8, 8});
  unknown.output("z");
  EXPECT_THAT(refused(unknown), HasSubstr("output z is not written"));
  OnnxModel image = small({1, 3, 8, 8});
  image.proto().mutable_graph()->mutable_output(0)->set_name("x");
  EXPECT_THAT(refused(image), HasSubstr("net.onnx"));
}

TEST(OnnxRefusal, reads_nothing_behind_a_softmax) {
  OnnxModel model(13);
  model.input("x", {1, 3, 4, 4}).weights("c.weight", {4, 3, 4, 4}).node("Conv", {"x", "c.weight"}, "a");
  model.node("Flatten", {"a"}, "f").node("Softmax", {"f"}, "s").node("Relu", {"s"}, "y").output("y");
  EXPECT_THAT(refused(model), HasSubstr("node /y/Relu (Relu): it reads a softmax"));
}

TEST(OnnxRefusal, checks_metadata) {
  const auto with = [](const std::string& mean, const std::string& deviation) {
    OnnxModel model = small({1, 3, 8, 8});
    for (const auto& [key, value] : {std::pair{"bitloop.mean", mean}, {"bitloop.deviation", deviation}}) {
      auto& entry = *model.proto().add_metadata_props();
      entry.set_key(key);
      entry.set_value(value);
    }
    return model;
  };
  EXPECT_THAT(refused(with("0.5,0.5", "1,1,1")),
              HasSubstr("bitloop.mean is '0.5,0.5'; it must be 3 numbers"));
  EXPECT_THAT(refused(with("0.5,x,0.5", "1,1,1")), HasSubstr("bitloop.mean"));
  EXPECT_THAT(refused(with("0.5,0.5,0.5", "1,0,1")), HasSubstr("above zero"));
  const TemporaryFolder folder;
  with("0.5,0.25,-1", "1,2,0.5").save(folder.path() / "net.onnx");
  const FloatNetwork model = import_onnx(folder.path() / "net.onnx");
  EXPECT_EQ(model.mean, (std::vector<float>{0.5F, 0.25F, -1}));
  EXPECT_EQ(model.deviation, (std::vector<float>{1, 2, 0.5F}));
}

TEST(OnnxRefusal, names_files_that_are_none) {
  const TemporaryFolder folder;
  const auto says = [&](const std::filesystem::path& path) { return refusal([&] { import_onnx(path); }); };
  EXPECT_THAT(says(folder.path() / "absent.onnx"), HasSubstr("absent.onnx: is no file that can be read"));
  EXPECT_THAT(says(folder.path()), HasSubstr("is no file that can be read"));
  for (const std::string& content :
       {std::string(), std::string("PK\x03\x04 not a network"), std::string(4096, '\xff')}) {
    std::ofstream(folder.path() / "other.onnx", std::ios::binary) << content;
    EXPECT_THAT(says(folder.path() / "other.onnx"), HasSubstr("other.onnx: is no ONNX file, or cut off"));
  }
  const std::string whole = small({1, 3, 8, 8}).serialized();
  std::ofstream(folder.path() / "cut.onnx", std::ios::binary) << whole.substr(0, whole.size() / 2);
  EXPECT_THAT(says(folder.path() / "cut.onnx"), HasSubstr("cut.onnx: is no ONNX file, or cut off"));
}

TEST(OnnxRefusal, keeps_control_characters_out_of_messages) {
  OnnxModel model = broken([](OnnxModel& m) { m.node("Evil", {"a"}, "b"); });
  model.proto().mutable_graph()->mutable_node(1)->set_name("one\ntwo\x1b[31m" + std::string(1000, 'x'));
  const std::string message = refused(model);
  EXPECT_THAT(message, HasSubstr("one?two?[31m"));
  EXPECT_LT(message.size(), 1000U);
}

TEST(OnnxRefusal, lists_every_kind_of_node_with_its_number) {
  OnnxModel model(13);
  model.input("x", {1, 3, 8, 8}).weights("c.weight", {4, 3, 3, 3}).node("Conv", {"x", "c.weight"}, "a");
  model.node("Einsum", {"a"}, "b").node("Einsum", {"b"}, "c").weights("d.weight", {4, 4, 1, 1});
  model.node("Conv", {"a", "a"}, "d").node("Add", {"c", "d"}, "e").node("If", {"e"}, "y").output("y");
  const std::string message = refused(model);
  EXPECT_THAT(message, HasSubstr("4 nodes are not supported: 2 Einsum (first /b/Einsum): "));
  EXPECT_THAT(message, HasSubstr("; 1 Conv (/d/Conv): input 1 depends on the image"));
  EXPECT_THAT(message, HasSubstr("; 1 If (/y/If): "));
  EXPECT_THAT(message, Not(HasSubstr("Add")));
  EXPECT_THAT(message, HasSubstr("; or end the network before them: --outputs a"));
}

TEST(OnnxRefusal, of_outputs_names_those_of_the_file) {
  const TemporaryFolder folder;
  small({1, 3, 8, 8}).save(folder.path() / "net.onnx");
  EXPECT_THAT(refusal([&] { import_onnx(folder.path() / "net.onnx", {.outputs = {"nowhere"}}); }),
              HasSubstr("no node of it writes nowhere, at which --outputs ends it; its own results are y"));
}

/// Two bytes of the file per node: parsed, it would take a hundred times as much.
TEST(OnnxRefusal, does_not_unpack_a_file_of_empty_nodes) {
  OnnxModel model = small({1, 3, 8, 8});
  const TemporaryFolder folder;
  const auto path = folder.path() / "bomb.onnx";
  std::string nodes;
  for (int i = 0; i < 5'000'000; ++i) nodes += std::string("\x0a\x00", 2);  // GraphProto.node, empty
  onnx::ModelProto shell;
  std::string bytes = model.serialized();
  bytes += '\x3a';  // ModelProto.graph
  for (std::size_t length = nodes.size(); length > 0; length >>= 7)
    bytes += static_cast<char>((length & 0x7f) | (length > 0x7f ? 0x80 : 0));
  std::ofstream(path, std::ios::binary) << bytes << nodes;
  EXPECT_THAT(refusal([&] { import_onnx(path); }), HasSubstr("besides the weights of its layers; at most"));
}

}  // namespace
}  // namespace bitloop::quant
