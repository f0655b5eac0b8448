// What clips and quantizers of tensors make of the float network.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "host/base/error.h"
#include "quant/onnx/import.h"
#include "tests/quant/fixtures.h"
#include "tests/quant/onnx/models.h"

namespace bitloop::quant {
namespace {

constexpr double kTolerance = 1e-4;

/// image -> conv -> "a"
OnnxModel start() {
  OnnxModel model;
  model.input("x", {2, 3, 4, 4}).weights("first.weight", {3, 3, 1, 1});
  model.node("Conv", {"x", "first.weight"}, "a");
  return model;
}

/// "b" -> conv of ones on the diagonal -> "y"
FloatNetwork finished(OnnxModel model) {
  model.floats("last.weight", {3, 3, 1, 1}, {1, 0, 0, 0, 1, 0, 0, 0, 1});
  model.node("Conv", {"b", "last.weight"}, "y").output("y");
  return imported(model);
}

std::vector<float> images() { return random_floats(2 * 3 * 4 * 4, 7, -3, 3); }

/// What the first convolution gives.
std::vector<float> before() {
  OnnxModel model = start();
  model.output("a");
  return run_float(imported(model), images());
}

struct Case {
  const char* name;
  double low, high, step;
  void (*append)(OnnxModel&);
};
void PrintTo(const Case& c, std::ostream* stream) { *stream << c.name; }

class LimitedTensors : public ::testing::TestWithParam<Case> {};

TEST_P(LimitedTensors, are_part_of_the_function) {
  const Case& c = GetParam();
  OnnxModel model = start();
  c.append(model);
  const FloatNetwork network = finished(model);
  std::vector<float> expected = before();
  for (float& value : expected) {
    const double clipped = std::clamp<double>(value, c.low, c.high);
    value = static_cast<float>(c.step == 0 ? clipped : std::nearbyint(clipped / c.step) * c.step);
  }
  EXPECT_LT(relative_error(run_float(network, images()), expected), kTolerance);
  const host::Tensor& tensor = network.network.tensors.at(network.network.layers.front().output);
  EXPECT_NEAR(tensor.limits.low, c.low, 1e-6);
  EXPECT_NEAR(tensor.limits.high, c.high, 1e-6);
  EXPECT_EQ(tensor.is_signed, c.low < 0);
}

INSTANTIATE_TEST_SUITE_P(
    Forms, LimitedTensors,
    ::testing::Values(
        Case{"clip", -0.3, 0.45, 0,
             [](OnnxModel& m) {
               m.scalar("lo", -0.3F).scalar("hi", 0.45F).node("Clip", {"a", "lo", "hi"}, "b");
             }},
        Case{"clip_above_zero", 0.125, 0.5, 0,
             [](OnnxModel& m) {
               m.scalar("lo", 0.125F).scalar("hi", 0.5F).node("Clip", {"a", "lo", "hi"}, "b");
             }},
        Case{"bytes", 0, 255 * 0.0078125, 0.0078125,
             [](OnnxModel& m) {
               m.scalar("s", 0.0078125F).bytes("z", {}, std::string(1, 0), onnx::TensorProto::UINT8);
               m.node("QuantizeLinear", {"a", "s", "z"}, "q").node("DequantizeLinear", {"q", "s", "z"}, "b");
             }},
        Case{"signed_bytes_with_a_zero_point", -131 * 0.0078125, 124 * 0.0078125, 0.0078125,
             [](OnnxModel& m) {
               m.scalar("s", 0.0078125F).bytes("z", {}, std::string(1, 3), onnx::TensorProto::INT8);
               m.node("QuantizeLinear", {"a", "s", "z"}, "q").node("DequantizeLinear", {"q", "s", "z"}, "b");
             }},
        Case{"two_bits_behind_a_pool_of_one", 0, 0.75, 0.25,
             [](OnnxModel& m) {
               m.scalar("s", 0.25F).scalar("z", 0).scalar("n", 2);
               m.node("MaxPool", {"a"}, "p", {{"kernel_shape", Sizes{1, 1}}});
               m.node("Quant", {"p", "s", "z", "n"}, "b", {{"signed", std::int64_t{0}}});
             }}),
    [](const auto& instance) { return std::string(instance.param.name); });

/// "from" in codes of two bits, "to".
void append_quant(OnnxModel& model, const std::string& from, const std::string& to) {
  model.scalar("s", 0.25F).scalar("z", 0).scalar("n", 2).node("Quant", {from, "s", "z", "n"}, to);
}

TEST(TensorLimits, of_layers_with_weights_stand_beside_those_of_others) {
  OnnxModel model = start();
  append_quant(model, "a", "c");
  model.weights("second.weight", {3, 3, 1, 1}).node("Conv", {"c", "second.weight"}, "d");
  model.node("Add", {"a", "d"}, "b");
  const host::Network network = finished(model).network;
  const host::Tensor& tensor = network.tensors.at(network.layers.front().output);
  EXPECT_FALSE(tensor.limits.any());
  EXPECT_EQ(tensor.narrow_limits, (host::Limits{-0.5, 0.25, 0.25}));
}

TEST(TensorLimits, of_others_than_layers_with_weights_are_refused_beside_numbers_without) {
  OnnxModel model = start();
  append_quant(model, "a", "c");
  model.weights("second.weight", {3, 3, 1, 1}).node("Conv", {"a", "second.weight"}, "d");
  model.node("Add", {"c", "d"}, "b");
  EXPECT_THROW(finished(model), InputError);
}

/// What a model gives whose tensor "b" is the last one.
std::vector<float> results(OnnxModel model) { return run_float(finished(std::move(model)), images()); }

TEST(TensorLimits, are_a_layer_where_something_reads_the_numbers_without_them) {
  OnnxModel model = start();
  model.scalar("lo", -0.3F).scalar("hi", 0.45F).node("Clip", {"a", "lo", "hi"}, "c");
  model.node("Add", {"a", "c"}, "b");
  std::vector<float> expected = before();
  for (float& value : expected) value += std::clamp(value, -0.3F, 0.45F);
  EXPECT_LT(relative_error(results(model), expected), kTolerance);
}

TEST(TensorLimits, of_the_second_operand_of_an_add_count) {
  OnnxModel model = start();
  model.node("Conv", {"x", "first.weight"}, "same");
  model.scalar("lo", -0.3F).scalar("hi", 0.45F).node("Clip", {"same", "lo", "hi"}, "c");
  model.node("Add", {"a", "c"}, "b");
  std::vector<float> expected = before();
  for (float& value : expected) value += std::clamp(value, -0.3F, 0.45F);
  EXPECT_LT(relative_error(results(model), expected), kTolerance);
}

TEST(TensorLimits, of_an_operand_join_a_function) {
  OnnxModel model = start();
  model.scalar("s", 1.0F / 64).bytes("z", {}, std::string(1, 0), onnx::TensorProto::UINT8);
  model.node("Sigmoid", {"a"}, "f").node("QuantizeLinear", {"f", "s", "z"}, "q");
  model.node("DequantizeLinear", {"q", "s", "z"}, "d").node("Mul", {"a", "d"}, "b");
  std::vector<float> expected = before();
  for (float& value : expected) value *= std::nearbyint(64 / (1 + std::exp(-value))) / 64;
  EXPECT_LT(relative_error(results(model), expected), kTolerance);
}

TEST(TensorLimits, behind_a_function_are_those_of_its_layer) {
  OnnxModel model = start();
  model.node("Tanh", {"a"}, "f");
  append_quant(model, "f", "b");
  const FloatNetwork network = finished(model);
  ASSERT_EQ(network.network.layers.at(1).kind, host::LayerKind::function);
  EXPECT_EQ(network.network.tensors.at(network.network.layers[1].output).limits,
            (host::Limits{-0.5, 0.25, 0.25}));
  std::vector<float> expected = before();
  for (float& value : expected) value = std::nearbyint(std::clamp(std::tanh(value), -0.5F, 0.25F) * 4) / 4;
  EXPECT_LT(relative_error(run_float(network, images()), expected), kTolerance);
}

TEST(TensorLimits, before_a_function_stay_before_it) {
  OnnxModel model = start();
  append_quant(model, "a", "c");
  model.node("Sigmoid", {"c"}, "f").node("Mul", {"c", "f"}, "b");
  std::vector<float> expected = before();
  for (float& value : expected) {
    value = std::nearbyint(std::clamp(value, -0.5F, 0.25F) * 4) / 4;
    value /= 1 + std::exp(-value);
  }
  EXPECT_LT(relative_error(results(model), expected), kTolerance);
}

/// Channels as rows and columns, clipped or not; the last result.
std::vector<float> spread(bool clips) {
  OnnxModel model;
  model.input("x", {2, 3, 4, 4}).weights("first.weight", {12, 3, 1, 1});
  model.node("Conv", {"x", "first.weight"}, "a").scalar("lo", -0.3F).scalar("hi", 0.45F);
  if (clips) model.node("Clip", {"a", "lo", "hi"}, "c");
  model.node("DepthToSpace", {clips ? "c" : "a"}, "b", {{"blocksize", std::int64_t{2}}});
  return results(model);
}

TEST(TensorLimits, go_with_channels_that_become_rows_and_columns) {
  std::vector<float> expected = spread(false);
  for (float& value : expected) value = std::clamp(value, -0.3F, 0.45F);
  EXPECT_LT(relative_error(spread(true), expected), kTolerance);
}

TEST(TensorLimits, of_a_result_give_it_codes) {
  OnnxModel model = start();
  append_quant(model, "a", "y");
  const host::Network network = imported(model.output("y")).network;
  EXPECT_EQ(network.output_bits, 8);
  EXPECT_EQ(network.tensors.at(network.output()).limits, (host::Limits{-0.5, 0.25, 0.25}));
}

TEST(TensorLimits, of_few_bits_on_the_image_are_a_layer) {
  OnnxModel model;
  model.input("x", {2, 3, 4, 4}).weights("first.weight", {3, 3, 1, 1});
  append_quant(model, "x", "c");
  model.node("Conv", {"c", "first.weight"}, "a").output("a");
  const FloatNetwork read = imported(model);
  EXPECT_FALSE(read.network.tensors[read.network.input].limits.any());
  EXPECT_EQ(read.network.layers.size(), 2u);
  OnnxModel plain = start();
  plain.output("a");
  std::vector<float> rounded = images();
  for (float& value : rounded) value = 0.25F * std::nearbyint(std::clamp(value, -0.5F, 0.25F) / 0.25F);
  EXPECT_LT(relative_error(run_float(read, images()), run_float(imported(plain), rounded)), kTolerance);
}

TEST(TensorLimits, of_two_values_are_refused) {
  OnnxModel model = start();
  model.scalar("s", 1).node("BipolarQuant", {"a", "s"}, "b");
  EXPECT_THROW(finished(model), InputError);
}

}  // namespace
}  // namespace bitloop::quant
