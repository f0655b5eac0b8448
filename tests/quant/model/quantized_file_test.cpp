#include <gtest/gtest.h>

#include <functional>

#include "quant/model/container.h"
#include "quant/model/quantized_model.h"
#include "tests/host/network/random_cases.h"
#include "tests/host/network/random_graphs.h"
#include "tests/quant/fixtures.h"

namespace bitloop::quant {
namespace {

/// A random graph with integers, and a number in every field.
QuantizedModel random_model(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const host::Network network = host::test::random_graph(seed);
  QuantizedModel model;
  model.integers = host::random_quantization(network, host::test::random_policy(network, random), seed);
  host::Tensor& limited = model.integers.network.tensors.back();
  limited.limits = {.high = 0.75, .step = 0.25};
  limited.narrow_limits = {.low = -1.5};
  for (host::Layer& layer : model.integers.network.layers)
    if (layer.activation == host::Activation::leaky_relu)
      layer.negative_slopes.assign(static_cast<std::size_t>(network.output_shape(layer).channels), 0.3);
  const auto number = [&] { return static_cast<double>(random() % 100000) / 65537.0; };
  for (std::size_t t = 0; t < network.tensors.size(); ++t)
    model.tensor_scales.push_back({number(), number()});
  for (const host::Layer& layer : network.layers) {
    auto& scales = model.weight_scales.emplace_back();
    if (!layer.has_weights()) continue;
    for (int f = 0; f < network.output_shape(layer).channels; ++f)
      scales.push_back(static_cast<float>(number()));
  }
  for (int c = 0; c < network.tensors[network.input].shape.channels; ++c) {
    model.mean.push_back(static_cast<float>(number()));
    model.deviation.push_back(static_cast<float>(number()) + 0.1F);
  }
  model.quantizer = "pact";
  model.seconds = 1.5;
  model.split_hash = "split";
  return model;
}

void expect_equal(const host::Network& a, const host::Network& b) {
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.input, b.input);
  EXPECT_EQ(a.outputs, b.outputs);
  EXPECT_EQ(a.image_input, b.image_input);
  EXPECT_EQ(a.output_bits, b.output_bits);
  ASSERT_EQ(a.tensors.size(), b.tensors.size());
  for (std::size_t t = 0; t < a.tensors.size(); ++t) {
    EXPECT_EQ(a.tensors[t].name, b.tensors[t].name);
    EXPECT_EQ(a.tensors[t].shape, b.tensors[t].shape);
    EXPECT_EQ(a.tensors[t].is_signed, b.tensors[t].is_signed);
    EXPECT_EQ(a.tensors[t].limits, b.tensors[t].limits);
    EXPECT_EQ(a.tensors[t].narrow_limits, b.tensors[t].narrow_limits);
  }
  ASSERT_EQ(a.layers.size(), b.layers.size());
  for (std::size_t i = 0; i < a.layers.size(); ++i) {
    const host::Layer &x = a.layers[i], &y = b.layers[i];
    EXPECT_EQ(x.name, y.name);
    EXPECT_EQ(x.kind, y.kind);
    EXPECT_EQ(x.inputs, y.inputs);
    EXPECT_EQ(x.output, y.output);
    EXPECT_EQ(x.kernel_height, y.kernel_height);
    EXPECT_EQ(x.kernel_width, y.kernel_width);
    EXPECT_EQ(x.stride, y.stride);
    EXPECT_EQ(x.pad, y.pad);
    EXPECT_EQ(x.dilation, y.dilation);
    EXPECT_EQ(x.uncounted, y.uncounted);
    EXPECT_EQ(x.activation, y.activation);
    EXPECT_EQ(x.negative_slopes, y.negative_slopes);
    EXPECT_EQ(x.batch_norm, y.batch_norm);
  }
}

void expect_equal(const host::QuantizedLayer& a, const host::QuantizedLayer& b) {
  EXPECT_EQ(a.weight_bits, b.weight_bits);
  EXPECT_EQ(a.weights, b.weights);
  EXPECT_EQ(a.requantization, b.requantization);
  EXPECT_EQ(a.negative, b.negative);
  EXPECT_EQ(a.range, b.range);
  EXPECT_EQ(a.pad_codes, b.pad_codes);
}

QuantizedModel saved_and_loaded(const QuantizedModel& model) {
  const TemporaryFolder folder;
  save_quantized(model, folder.path() / "model");
  return load_quantized(folder.path() / "model");
}

TEST(QuantizedFile, returns_every_field_of_graphs_of_all_operations) {
  for (std::uint64_t seed = 0; seed < 10 * host::test::kGraphThemes; ++seed) {
    SCOPED_TRACE(seed);
    const QuantizedModel model = random_model(seed);
    const QuantizedModel loaded = saved_and_loaded(model);
    expect_equal(model.integers.network, loaded.integers.network);
    EXPECT_EQ(model.integers.policy, loaded.integers.policy);
    EXPECT_EQ(model.integers.bits, loaded.integers.bits);
    for (std::size_t i = 0; i < model.integers.layers.size(); ++i)
      expect_equal(model.integers.layers[i], loaded.integers.layers[i]);
    for (std::size_t t = 0; t < model.integers.narrowing.size(); ++t) {
      if (model.integers.bits.narrow[t] == 0) continue;
      EXPECT_EQ(model.integers.narrowing[t].requantization, loaded.integers.narrowing[t].requantization);
      EXPECT_EQ(model.integers.narrowing[t].range, loaded.integers.narrowing[t].range);
    }
    EXPECT_EQ(model.tensor_scales, loaded.tensor_scales);
    EXPECT_EQ(model.weight_scales, loaded.weight_scales);
    EXPECT_EQ(model.mean, loaded.mean);
    EXPECT_EQ(model.deviation, loaded.deviation);
    EXPECT_EQ(model.quantizer, loaded.quantizer);
    EXPECT_EQ(model.seconds, loaded.seconds);
    EXPECT_EQ(model.split_hash, loaded.split_hash);
    if (HasFailure()) return;
  }
}

/// A model of every kind of damage is written whole and must be refused when it is read.
struct Damage {
  const char* name;
  std::function<void(QuantizedModel&)> apply;
};
void PrintTo(const Damage& damage, std::ostream* out) { *out << damage.name; }

class DamagedFile : public ::testing::TestWithParam<Damage> {};

TEST_P(DamagedFile, is_refused_with_the_name_of_the_file) {
  QuantizedModel model;
  const host::Network network = host::zoo_network("lenet");
  model.integers = host::random_quantization(network, host::uniform_policy(network, 4, 4), 1);
  model.tensor_scales.resize(network.tensors.size());
  model.weight_scales.resize(network.layers.size());
  (void)saved_and_loaded(model);
  GetParam().apply(model);
  const TemporaryFolder folder;
  save_quantized(model, folder.path() / "model");
  try {
    load_quantized(folder.path() / "model");
    FAIL() << "it was read";
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find((folder.path() / "model").string()), std::string::npos)
        << error.what();
  }
}

INSTANTIATE_TEST_SUITE_P(
    QuantizedFile, DamagedFile,
    ::testing::Values(
        Damage{"shift_of_0", [](auto& m) { m.integers.layers[0].requantization[0].shift = 0; }},
        Damage{"shift_of_48", [](auto& m) { m.integers.layers[0].requantization[1].shift = 48; }},
        Damage{"bias_of_51_bits",
               [](auto& m) { m.integers.layers[0].requantization[0].bias = std::int64_t{1} << 49; }},
        Damage{"negative_bias_of_51_bits",
               [](auto& m) { m.integers.layers[0].requantization[0].bias = -(std::int64_t{1} << 49) - 1; }},
        Damage{"weight_of_5_bits", [](auto& m) { m.integers.layers[0].weights[3] = 16; }},
        Damage{"padding_of_5_bits", [](auto& m) { m.integers.layers[2].pad_codes[0] = 16; }},
        Damage{"missing_weight", [](auto& m) { m.integers.layers[0].weights.pop_back(); }},
        Damage{"additional_filter", [](auto& m) { m.integers.layers[0].requantization.emplace_back(); }},
        Damage{"range_upside_down",
               [](auto& m) {
                 m.integers.layers[0].range = {0, 9, 3};
               }},
        Damage{"range_beyond_the_codes", [](auto& m) { m.integers.layers[0].range.high = 16; }},
        Damage{"zero_beyond_the_codes", [](auto& m) { m.integers.layers[0].range.zero = -1; }},
        Damage{"zero_beyond_the_limits",
               [](auto& m) { m.integers.layers[0].range.low = m.integers.layers[0].range.zero + 1; }},
        Damage{"scale_that_is_no_number", [](auto& m) { m.weight_scales[0].assign(6, NAN); }},
        Damage{"scales_of_some_filters", [](auto& m) { m.weight_scales[0].assign(5, 1.0F); }},
        Damage{"endless_scale", [](auto& m) { m.tensor_scales[1].written = INFINITY; }},
        Damage{"deviation_of_0", [](auto& m) { m.deviation = {0.0F}; }},
        Damage{"mean_of_three_channels",
               [](auto& m) {
                 m.mean = {0.0F, 0.0F, 0.0F};
               }},
        Damage{"policy_of_another_network", [](auto& m) { m.integers.policy.network = "resnet"; }},
        Damage{"layer_that_reads_nothing", [](auto& m) { m.integers.network.layers[1].inputs = {}; }},
        Damage{"tensor_of_gigabytes",
               [](auto& m) {
                 m.integers.network.tensors[0].shape = {1, 40000, 40000};
                 m.integers.network.tensors[1].shape = {6, 40000, 40000};
               }},
        Damage{"kernel_of_billions", [](auto& m) { m.integers.network.layers[0].kernel_width = 1 << 30; }}),
    [](const auto& test) { return test.param.name; });

TEST(QuantizedFile, one_of_an_older_program_is_refused_by_its_format) {
  const TemporaryFolder folder;
  write_container({nlohmann::json{{"network", "lenet"}}, {}}, "quantized-network", folder.path() / "old");
  try {
    load_quantized(folder.path() / "old");
    FAIL();
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("format 1"), std::string::npos) << error.what();
  }
}

TEST(QuantizedFile, what_a_header_states_is_not_allocated_before_it_is_there) {
  const TemporaryFolder folder;
  const QuantizedModel model = random_model(1);
  save_quantized(model, folder.path() / "model");
  Container container = read_container("quantized-network", folder.path() / "model");
  container.payload.resize(container.payload.size() / 2);
  write_container(container, "quantized-network", folder.path() / "model");
  EXPECT_THROW(load_quantized(folder.path() / "model"), InputError);
}

}  // namespace
}  // namespace bitloop::quant
