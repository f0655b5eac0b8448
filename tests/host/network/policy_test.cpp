#include "host/network/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "host/base/error.h"

namespace bitloop::host::test {
namespace {

using testing::HasSubstr;

class PolicyFile : public testing::Test {
 protected:
  ~PolicyFile() override { std::filesystem::remove(path_); }

  Policy load(const std::string& text) {
    std::ofstream(path_, std::ios::binary) << text;
    return load_policy(network_, path_);
  }

  std::string refusal(const std::string& text) {
    try {
      load(text);
    } catch (const InputError& error) {
      return error.what();
    }
    ADD_FAILURE() << "was accepted: " << text.substr(0, 200);
    return "";
  }

  nlohmann::json good() { return to_json(uniform_policy(network_, 4, 4)); }

  Network network_ = zoo_network("lenet");
  std::string path_ = testing::TempDir() + "policy_" + std::to_string(::getpid()) + ".json";
};

TEST(Policy, uniform_keeps_eight_bits_for_the_image) {
  const Network network = zoo_network("lenet");
  EXPECT_EQ(load_policy(network, "w2a4").key(), "2:8 2:4 2:4 2:4 2:4");
}

TEST(PolicyText, OfTablesIsRead) {
  const Network network = zoo_network("lenet");
  EXPECT_EQ(load_policy(network, "8:8 4:2 1:1 2:8 8:4").key(), "8:8 4:2 1:1 2:8 8:4");
  for (const char* text : {"8:8 4:2", "8:8 4:2 1:1 2:8 8:4 8:8", "8:8 4:3 1:1 2:8 8:4", "4:4 8:8 8:8 8:8 8:8",
                           "8:8 4: 1:1 2:8 8:4", "8:8 4:2x 1:1 2:8 8:4"}) {
    EXPECT_THROW(load_policy(network, text), InputError) << text;
  }
}

TEST(Policy, uniform_gives_signed_tensors_two_bits) {
  const Network network = single_layer_network("linear in=4 out=4 signed=1");
  EXPECT_EQ(uniform_policy(network, 1, 1).key(), "1:2");
  Policy policy = uniform_policy(network, 1, 1);
  policy.layers[0].input_bits = 1;
  EXPECT_THROW(validate_policy(network, policy), InputError);
}

TEST(Policy, widths_that_do_not_exist_are_refused) {
  const Network network = zoo_network("lenet");
  for (const char* text :
       {"w3a4", "w4a0", "w9a9", "w8a16", "w8", "", "a8w8", "W8A8", "/nonexistent/policy.json", "/"}) {
    EXPECT_THROW(load_policy(network, text), InputError) << text;
  }
}

TEST(Policy, readers_of_one_tensor_must_agree) {
  Network network{
      "fork", {{"image", {1, 4, 4}}, {"a", {4, 4, 4}}, {"b", {4, 4, 4}}, {"c", {4, 4, 4}}}, {}, 0, {2, 3}};
  network.layers = {
      {"one", LayerKind::conv, {0}, 1}, {"two", LayerKind::conv, {1}, 2}, {"three", LayerKind::conv, {1}, 3}};
  network.validate();
  Policy policy = uniform_policy(network, 8, 4);
  EXPECT_NO_THROW(validate_policy(network, policy));
  policy.layers[2].input_bits = 2;
  try {
    validate_policy(network, policy);
    FAIL();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(),
                testing::AllOf(HasSubstr("three"), HasSubstr("two"), HasSubstr("2"), HasSubstr("4")));
  }
}

TEST(Policy, tensor_widths_pass_through_pools_and_the_result_has_32_bits) {
  const Network network = zoo_network("lenet");
  const TensorBits bits = tensor_bits(network, uniform_policy(network, 8, 2));
  EXPECT_THAT(bits.written, testing::ElementsAre(8, 2, 2, 2, 2, 2, 2, 32));
  EXPECT_THAT(bits.narrow, testing::Each(0));
}

TEST(Policy, a_single_layer_writes_its_input_width_unless_told) {
  const Network same = single_layer_network("linear in=4 out=4");
  EXPECT_THAT(tensor_bits(same, uniform_policy(same, 8, 4)).written, testing::ElementsAre(4, 4));
  const Network other = single_layer_network("linear in=4 out=4 out_bits=1");
  EXPECT_THAT(tensor_bits(other, uniform_policy(other, 8, 4)).written, testing::ElementsAre(4, 1));
}

/// Widths by tensor name: "8" or, with a narrow form, "8/2".
class NamedBits {
 public:
  NamedBits(const Network& network, std::string_view policy)
      : network_(network), bits_(tensor_bits(network, load_policy(network, policy))) {}

  std::string operator[](std::string_view name) const {
    for (std::size_t i = 0; i < network_.tensors.size(); ++i) {
      if (network_.tensors[i].name != name) continue;
      const std::string written = std::to_string(bits_.written[i]);
      return bits_.narrow[i] == 0 ? written : written + "/" + std::to_string(bits_.narrow[i]);
    }
    return "no such tensor";
  }

 private:
  const Network& network_;
  TensorBits bits_;
};

TEST(TensorBits, adds_and_pools_of_resnet18_read_8_bits_and_convs_the_narrow_form) {
  const Network network = zoo_network("resnet18");
  const NamedBits bits(network, "w2a2");
  EXPECT_EQ(bits["image"], "8");
  EXPECT_EQ(bits["conv1"], "8") << "the max pool's output is an add's operand";
  EXPECT_EQ(bits["maxpool"], "8/2");
  EXPECT_EQ(bits["layer1.0.conv1"], "2");
  EXPECT_EQ(bits["layer1.0.conv2"], "8");
  EXPECT_EQ(bits["layer1.0.add"], "8/2");
  EXPECT_EQ(bits["layer1.1.add"], "2") << "read by layer2.0.conv1 and by the shortcut's convolution";
  EXPECT_EQ(bits["layer2.0.downsample.0"], "8");
  EXPECT_EQ(bits["layer2.0.add"], "8/2");
  EXPECT_EQ(bits["layer4.1.add"], "8") << "read by the average pool only";
  EXPECT_EQ(bits["avgpool"], "2");
  EXPECT_EQ(bits["fc"], "32");
}

TEST(TensorBits, no_tensor_of_resnet18_has_a_second_form_at_8_bits) {
  const Network network = zoo_network("resnet18");
  const TensorBits bits = tensor_bits(network, uniform_policy(network, 8, 8));
  EXPECT_THAT(bits.narrow, testing::Each(0));
  EXPECT_EQ(std::count(bits.written.begin(), bits.written.end(), 8),
            static_cast<long>(network.tensors.size()) - 1);
}

TEST(TensorBits, of_mobilenets_bottlenecks) {
  const Network network = zoo_network("mobilenet-v2");
  const NamedBits bits(network, "w4a4");
  EXPECT_EQ(bits["features.0.0"], "4");
  EXPECT_EQ(bits["features.1.conv.0.0"], "4");
  EXPECT_EQ(bits["features.1.conv.1"], "4") << "no add reads it";
  EXPECT_EQ(bits["features.2.conv.2"], "8/4");
  EXPECT_EQ(bits["features.3.conv.2"], "8");
  EXPECT_EQ(bits["features.3.add"], "4");
  EXPECT_EQ(bits["features.5.add"], "8/4");
  EXPECT_EQ(bits["features.18.0"], "8");
  EXPECT_EQ(bits["avgpool"], "4");
}

TEST(TensorBits, of_yolov3_are_never_one) {
  const Network network = zoo_network("yolov3");
  const NamedBits bits(network, "w1a1");
  EXPECT_EQ(bits["conv0"], "2");
  EXPECT_EQ(bits["conv1"], "8/2");
  EXPECT_EQ(bits["conv3"], "8");
  EXPECT_EQ(bits["add4"], "2");
  EXPECT_EQ(bits["add61"], "2");
  EXPECT_EQ(bits["conv79"], "2");
  EXPECT_EQ(bits["upsample85"], "2");
  EXPECT_EQ(bits["concat86"], "2");
  for (const char* head : {"conv81", "conv93", "conv105"}) EXPECT_EQ(bits[head], "32");
}

TEST(TensorBits, a_concat_reads_the_narrow_form_of_an_adds_operand) {
  Network network{.name = "graph",
                  .tensors = {{"image", {4, 4, 4}},
                              {"a", {4, 4, 4}},
                              {"b", {4, 4, 4}},
                              {"sum", {4, 4, 4}},
                              {"both", {8, 4, 4}},
                              {"c", {4, 4, 4}},
                              {"d", {4, 4, 4}}},
                  .layers = {{"a", LayerKind::conv, {0}, 1},
                             {"b", LayerKind::conv, {0}, 2},
                             {"sum", LayerKind::add, {1, 5}, 3},
                             {"both", LayerKind::concat, {1, 2}, 4},
                             {"d", LayerKind::conv, {4}, 6}},
                  .input = 0,
                  .outputs = {6}};
  network.layers.insert(network.layers.begin() + 2, {"c", LayerKind::conv, {0}, 5});
  derive_signedness(network);
  const NamedBits bits(network, "w8a4");
  EXPECT_EQ(bits["a"], "8/4");
  EXPECT_EQ(bits["b"], "4");
  EXPECT_EQ(bits["both"], "4");
  EXPECT_EQ(bits["sum"], "8") << "nothing reads it";
}

TEST(Policy, layers_behind_a_concat_or_upsample_share_the_width) {
  const Network network = zoo_network("yolov3-tiny");
  Policy policy = uniform_policy(network, 8, 4);
  const auto layer = std::find_if(policy.layers.begin(), policy.layers.end(),
                                  [](const LayerBits& bits) { return bits.name == "conv21"; });
  layer->input_bits = 8;
  try {
    validate_policy(network, policy);
    FAIL();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), testing::AllOf(HasSubstr("conv21"), HasSubstr("conv10")));
  }
  for (LayerBits& bits : policy.layers) {
    if (bits.name == "conv10") bits.input_bits = 8;
  }
  EXPECT_NO_THROW(validate_policy(network, policy));
}

TEST(Policy, every_network_of_the_zoo_takes_every_uniform_policy) {
  for (const std::string& name : zoo_names()) {
    const Network network = zoo_network(name);
    for (const int bits : kWidths) {
      const Policy policy = uniform_policy(network, bits, bits);
      EXPECT_EQ(policy_from_json(network, to_json(policy), "file"), policy) << name;
      for (std::size_t i = 0; i < network.tensors.size(); ++i) {
        EXPECT_GE(tensor_bits(network, policy).written[i], network.tensors[i].is_signed ? 2 : 1) << name;
      }
    }
  }
}

TEST_F(PolicyFile, what_is_written_reads_back) {
  EXPECT_EQ(load(good().dump()), uniform_policy(network_, 4, 4));
}

TEST_F(PolicyFile, refusals_name_layer_value_and_legal_values) {
  nlohmann::json json = good();
  json["layers"][1]["weight_bits"] = 3;
  EXPECT_THAT(refusal(json.dump()),
              testing::AllOf(HasSubstr("conv2"), HasSubstr("3"), HasSubstr("1, 2, 4 or 8")));
  json = good();
  json["layers"][0]["input_bits"] = 4;
  EXPECT_THAT(refusal(json.dump()), testing::AllOf(HasSubstr("conv1"), HasSubstr("must be 8")));
}

TEST_F(PolicyFile, missing_double_unknown_and_reordered_layers_are_refused) {
  nlohmann::json json = good();
  json["layers"].erase(4);
  EXPECT_THAT(refusal(json.dump()), HasSubstr("fc3"));
  json = good();
  json["layers"][2] = json["layers"][1];
  EXPECT_THAT(refusal(json.dump()), HasSubstr("fc1"));
  json = good();
  json["layers"].push_back(json["layers"][1]);
  refusal(json.dump());
  json = good();
  json["layers"][2]["name"] = "pool1";
  EXPECT_THAT(refusal(json.dump()), HasSubstr("pool1"));
}

TEST_F(PolicyFile, unknown_keys_and_wrong_types_are_refused) {
  for (const char* patch :
       {R"({"version":2})", R"({"version":"1"})", R"({"version":null})", R"({"more":1})",
        R"({"network":"resnet"})", R"({"network":3})", R"({"layers":{}})", R"({"layers":[1]})",
        R"({"version":1.0})", R"({"version":18446744073709551615})"}) {
    nlohmann::json json = good();
    json.merge_patch(nlohmann::json::parse(patch));
    refusal(json.dump());
  }
  for (const char* patch : {R"({"name":4})", R"({"weight_bits":"8"})", R"({"weight_bits":8.0})",
                            R"({"bits":8})", R"({"input_bits":null})", R"({"weight_bits":4294967304})",
                            R"({"weight_bits":-8})", R"({"weight_bits":true})", R"({"weight_bits":[]})"}) {
    nlohmann::json json = good();
    json["layers"][1].merge_patch(nlohmann::json::parse(patch));
    refusal(json.dump());
  }
}

TEST_F(PolicyFile, a_key_that_stands_twice_is_refused) {
  std::string text = good().dump();
  text.insert(text.find("\"weight_bits\""), "\"weight_bits\":2,");
  EXPECT_THAT(refusal(text), testing::AllOf(HasSubstr("weight_bits"), HasSubstr("twice")));
}

TEST_F(PolicyFile, files_that_are_no_json_are_refused) {
  for (const char* text :
       {"", "{", "null", "[]", "w8a8", "\xff\xfe", "{\"version\":1,}", "{\"a\":\"\\ud800\"}", "1e999"}) {
    refusal(text);
  }
  refusal(std::string(100000, '['));
  refusal(good().dump() + "x");
  refusal(std::string((4u << 20) + 1, ' '));
  std::string all = good().dump();
  for (std::size_t length = 0; length < all.size(); length += 7) refusal(all.substr(0, length));
}

}  // namespace
}  // namespace bitloop::host::test
