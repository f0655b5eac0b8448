#include "host/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "host/error.h"

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
      "fork", {{"image", {1, 4, 4}}, {"a", {4, 4, 4}}, {"b", {4, 4, 4}}, {"c", {4, 4, 4}}}, {}, 0, 3};
  network.layers = {
      {"one", LayerKind::conv, 0, 1}, {"two", LayerKind::conv, 1, 2}, {"three", LayerKind::conv, 1, 3}};
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
  EXPECT_THAT(tensor_bits(network, uniform_policy(network, 8, 2)),
              testing::ElementsAre(8, 2, 2, 2, 2, 2, 2, 32));
}

TEST(Policy, a_single_layer_writes_its_input_width_unless_told) {
  const Network same = single_layer_network("linear in=4 out=4");
  EXPECT_THAT(tensor_bits(same, uniform_policy(same, 8, 4)), testing::ElementsAre(4, 4));
  const Network other = single_layer_network("linear in=4 out=4 out_bits=1");
  EXPECT_THAT(tensor_bits(other, uniform_policy(other, 8, 4)), testing::ElementsAre(4, 1));
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
