#include "agent/evaluation/assumed_normalization.h"

#include <gmock/gmock.h>

namespace bitloop::agent {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;

/// Class 1 where the one pixel, as the network sees it, is above `threshold`.
quant::FloatNetwork threshold_network(float threshold) {
  quant::FloatNetwork model;
  model.network.name = "threshold";
  model.network.tensors = {{.name = "image", .shape = {1, 1, 1}}, {.name = "logits", .shape = {2, 1, 1}}};
  model.network.layers = {{.name = "linear", .kind = host::LayerKind::linear, .inputs = {0}, .output = 1}};
  model.network.outputs = {1};
  model.parameters.resize(1);
  model.parameters.front().weight = {0, 1};
  model.parameters.front().bias = {0, -threshold};
  return model;
}

/// Mostly dark pixels, so that their mean is not the middle; those from `bright` on are of class 1.
quant::Dataset pixels(int bright) {
  quant::Dataset data;
  data.name = "pixels";
  data.shape = {1, 1, 1};
  data.classes = 2;
  data.mean = {0.2F};
  data.deviation = {0.3F};
  for (int i = 0; i < 500; ++i) {
    const int pixel = i % 3 == 0 ? i * 7 % 256 : i * 5 % 64;
    data.reward.pixels.push_back(static_cast<std::uint8_t>(pixel));
    data.reward.labels.push_back(pixel >= bright ? 1 : 0);
  }
  return data;
}

TEST(AssumedNormalization, is_the_one_under_which_the_network_is_right_and_says_so) {
  const AssumedNormalization unit = assume_normalization(threshold_network(0.5F), pixels(128));
  EXPECT_THAT(unit.input.mean, Each(0));
  EXPECT_THAT(unit.input.deviation, Each(1));
  EXPECT_THAT(unit.note, AllOf(HasSubstr("threshold"), HasSubstr("pixels in 0..1 (--mean 0 --std 1)"),
                               HasSubstr("300 images"), HasSubstr("pixels in 0..1 1.000")));
  const AssumedNormalization own = assume_normalization(threshold_network(0.2F), pixels(67));
  EXPECT_THAT(own.input.mean, Each(0.2F));
  EXPECT_THAT(own.note, HasSubstr("assumed is the data's own statistics"));
  EXPECT_THAT(assume_normalization(threshold_network(200), pixels(201)).note, HasSubstr("pixels in 0..255"));
}

TEST(AssumedNormalization, leaves_out_what_the_file_does_itself_as_the_user_would) {
  quant::FloatNetwork model = threshold_network(0.8F);  // of (x - 0.1) / 0.5, where x is 0.5
  model.own = {{0.1F}, {0.5F}};
  const AssumedNormalization unit = assume_normalization(model, pixels(128));
  EXPECT_THAT(unit.input.mean, Each(0));
  EXPECT_THAT(unit.input.deviation, Each(1));
  EXPECT_THAT(unit.note, HasSubstr("pixels in 0..1 1.000"));
}

TEST(AssumedNormalization, says_where_the_command_contradicts_the_file) {
  quant::FloatNetwork model = threshold_network(0.5F);
  const quant::Normalization given{{0.5F}, {0.25F}};
  EXPECT_EQ(contradicted_normalization(given, model), "");
  model.mean = {0.1F};
  model.deviation = {1};
  EXPECT_THAT(contradicted_normalization(given, model),
              HasSubstr("threshold says of its input --mean 0.1 --std 1"));
  EXPECT_EQ(contradicted_normalization({}, model), "");
  EXPECT_EQ(contradicted_normalization({model.mean, model.deviation}, model), "");
}

TEST(AssumedNormalization, is_the_datas_own_where_nothing_can_be_tried) {
  quant::Dataset data = pixels(128);
  data.classes = 3;
  const AssumedNormalization own = assume_normalization(threshold_network(0.5F), data);
  EXPECT_THAT(own.input.mean, Each(0.2F));
  EXPECT_THAT(own.note, HasSubstr("own statistics"));
}

}  // namespace
}  // namespace bitloop::agent
